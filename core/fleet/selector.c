/* Parsing selectors: see selector.h. Recursive descent, into postfix order. */
#include "fleet/build.h"
#include "fleet/selector_impl.h"
#include "fleet/shard.h"

#include <stdlib.h>
#include <string.h>

struct parser {
    struct tg_selector *s;
    const char *at;         /* behind the current token */
    const char *token;      /* NULL at the end */
    size_t len;
    size_t nesting;
    size_t stack;           /* sets that the steps so far leave on the stack */
    struct tg_error *e;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int column_of(const struct parser *p, const char *at)
{
    return (int) (at - p->s->text) + 1;
}

static int shown(size_t len)
{
    return len > 60 ? 60 : (int) len;
}

/* The next token: a parenthesis, or a word up to a blank or a parenthesis; quotes within it keep both. */
static int next_token(struct parser *p)
{
    char quote = '\0';

    while (is_blank(*p->at))
        p->at++;
    p->token = *p->at ? p->at : NULL;
    if (*p->at == '(' || *p->at == ')') {
        p->at++;
    } else {
        const char *opened = p->at;
        for (; *p->at && (quote || (!is_blank(*p->at) && *p->at != '(' && *p->at != ')')); p->at++) {
            if (*p->at != '"' && *p->at != '\'')
                continue;
            if (!quote) {
                quote = *p->at;
                opened = p->at;
            } else if (*p->at == quote) {
                quote = '\0';
            }
        }
        if (quote)
            return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, opened), "the quote is never closed");
    }
    p->len = p->token ? (size_t) (p->at - p->token) : 0;
    return 0;
}

static bool is_word(const struct parser *p, const char *word)
{
    return p->token && p->len == strlen(word) && memcmp(p->token, word, p->len) == 0;
}

static int push(struct parser *p, enum tg_selector_kind kind, const char *at, struct tg_selector_step **out)
{
    struct tg_selector *s = p->s;

    if (s->n >= 2 * TG_SELECTOR_TERMS_MAX)
        return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, at), "a selector has at most %d terms", TG_SELECTOR_TERMS_MAX);
    int rc = tg_build_room(&s->steps, s->n, &s->cap, sizeof *s->steps, p->e);
    if (rc)
        return rc;
    s->steps[s->n] = (struct tg_selector_step) {.kind = kind, .column = column_of(p, at)};
    if (kind < TG_SELECT_NOT)
        p->stack++;
    else if (kind != TG_SELECT_NOT)
        p->stack--;
    if (p->stack > s->depth)
        s->depth = p->stack;
    *out = &s->steps[s->n++];
    return 0;
}

static int copy(struct parser *p, const char *text, size_t len, char **out)
{
    *out = strndup(text, len);
    return *out ? 0 : tg_fail(p->e, TG_E_MEMORY, "out of memory");
}

/* "0-9" or "5,10-19" */
static int parse_shards(struct parser *p)
{
    const char *at = p->token + strlen("shard:"), *end = p->token + p->len;
    struct tg_selector_step *step;
    size_t cap = 0;
    int rc = push(p, TG_SELECT_SHARDS, p->token, &step);

    for (bool more = true; !rc && more; at++) {
        uint32_t n[2] = {0, 0};
        const char *start = at;
        for (int i = 0; i < 2; i++) {
            const char *digits = at;
            for (; at < end && *at >= '0' && *at <= '9' && at - digits < 4; at++)
                n[i] = n[i] * 10 + (uint32_t) (*at - '0');
            if (at == digits || n[i] >= TG_SHARDS)
                return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, digits), "a shard is a number from 0 to %d, such as in shard:0-9,42", TG_SHARDS - 1);
            if (i == 0 && (at >= end || *at != '-')) {
                n[1] = n[0];
                break;
            }
            at += i == 0;
        }
        if (n[1] < n[0])
            return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, start), "the shards %u-%u count down", n[0], n[1]);
        if (!(rc = tg_build_room(&step->ranges, step->n_ranges, &cap, sizeof *step->ranges, p->e)))
            step->ranges[step->n_ranges++] = (struct tg_select_range) {n[0], n[1]};
        more = at < end && *at == ',';
        if (!more && at < end)
            return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, at), "after a shard stands \",\" or nothing, not \"%c\"", *at);
    }
    return rc;
}

/* "@web", "customer:acme": a name behind a sign of so many bytes. */
static int parse_named(struct parser *p, enum tg_selector_kind kind, const char *whose, size_t sign)
{
    struct tg_selector_step *step;
    size_t len = p->len - sign;

    for (size_t i = 0; i < len; i++) {
        char c = p->token[sign + i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && !strchr("_.-*?", c))
            return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, p->token + sign + i), "a %s's name has no \"%c\"", whose, c);
    }
    if (!len)
        return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, p->token), "a %s's name is missing after \"%.*s\"", whose, (int) sign, p->token);
    int rc = push(p, kind, p->token, &step);
    return rc ? rc : copy(p, p->token + sign, len, &step->text);
}

/* key=value, key!=value: equals is where the "=" is. */
static int parse_attr(struct parser *p, const char *equals)
{
    struct tg_selector_step *step;
    bool negate = equals > p->token && equals[-1] == '!';
    const char *value = equals + 1;
    size_t key_len = (size_t) (equals - p->token) - negate, value_len = p->len - (size_t) (value - p->token);
    int rc = push(p, TG_SELECT_ATTR, p->token, &step);

    if (rc || (rc = copy(p, p->token, key_len, &step->text)))
        return rc;
    step->negate = negate;
    if (!tg_attr_key_ok(step->text))
        return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, p->token), "\"%.60s\" can't be an attribute's name", step->text);
    if (value_len >= 2 && (value[0] == '"' || value[0] == '\'') && value[value_len - 1] == value[0]) {
        value++;
        value_len -= 2;
    }
    if (!value_len)
        return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, value), "the value of \"%.60s\" is missing", step->text);
    return copy(p, value, value_len, &step->value);
}

/* One element of a list of names: "web*.example.com". */
static int parse_pattern(struct parser *p, const char *at, size_t len)
{
    struct tg_selector_step *step;
    int rc = push(p, TG_SELECT_PATTERN, at, &step);

    if (rc || (rc = copy(p, at, len, &step->text)))
        return rc;
    for (char *c = step->text; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char) (*c - 'A' + 'a');
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');
        if (plain || strchr("_.-*?", *c))
            continue;
        tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, at + (c - step->text)), "a pattern of names has no \"%c\"", *c);
        if (*c == '[')
            tg_error_hint(p->e, "\"[…]\" and \"*\" don't go together: write two terms with \"or\" or \"and\"");
        return TG_E_DATA;
    }
    return 0;
}

static int parse_nodeset(struct parser *p, const char *at, size_t len)
{
    struct tg_selector_step *step = NULL;
    struct tg_error why = TG_ERROR_INIT;
    int rc = push(p, TG_SELECT_NAMES, at, &step);

    if (rc || (rc = copy(p, at, len, &step->text)))
        return rc;
    if (!(rc = tg_nodeset_expand(at, len, &step->names, &why)))
        return 0;
    tg_fail_at(p->e, rc, NULL, 0, column_of(p, at) + (why.column > 0 ? why.column - 1 : 0), "%s", why.message);
    return tg_error_hint(p->e, "%s", why.hint), rc;
}

/* A list of names; elements with * or ? are steps of their own, joined by "or". */
static int parse_names(struct parser *p)
{
    const char *at = p->token, *end = p->token + p->len;
    struct tg_selector_step *step;
    bool first = true;

    while (at <= end) {
        const char *stop = at;
        for (bool inside = false; stop < end && (inside || *stop != ','); stop++)
            inside = *stop == '[' || (inside && *stop != ']');
        size_t len = (size_t) (stop - at);
        int rc = memchr(at, '*', len) || memchr(at, '?', len) ? parse_pattern(p, at, len) : parse_nodeset(p, at, len);
        if (!rc && !first)
            rc = push(p, TG_SELECT_OR, at, &step);
        if (rc)
            return rc;
        first = false;
        at = stop + 1;
    }
    return 0;
}

static const char *equals_sign(const struct parser *p)
{
    for (size_t i = 0; i < p->len && p->token[i] != '['; i++)
        if (p->token[i] == '=')
            return p->token + i;
    return NULL;
}

static int parse_or(struct parser *p);

static int parse_parentheses(struct parser *p)
{
    const char *open = p->token;

    if (++p->nesting > TG_SELECTOR_DEPTH_MAX)
        return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, open), "more than %d parentheses within each other", TG_SELECTOR_DEPTH_MAX);
    int rc = next_token(p);
    if (!rc)
        rc = parse_or(p);
    if (rc)
        return rc;
    p->nesting--;
    if (!is_word(p, ")"))
        return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, open), "\"(\" is never closed");
    return next_token(p);
}

static int missing_term(struct parser *p)
{
    if (!p->token)
        return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, p->at), p->s->n ? "something is missing at the end" : "the selector is empty");
    return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, p->token), "hosts are missing before \"%.*s\"", shown(p->len), p->token);
}

static int parse_term(struct parser *p)
{
    static const char customer[] = "customer:";
    int rc;

    if (!p->token || is_word(p, ")") || is_word(p, "and") || is_word(p, "or"))
        return missing_term(p);
    if (is_word(p, "("))
        return parse_parentheses(p);
    const char *equals = equals_sign(p);
    if (p->token[0] == '@')
        rc = parse_named(p, TG_SELECT_GROUP, "group", 1);
    else if (p->len >= 6 && memcmp(p->token, "shard:", 6) == 0)
        rc = parse_shards(p);
    else if (p->len >= strlen(customer) && memcmp(p->token, customer, strlen(customer)) == 0)
        rc = parse_named(p, TG_SELECT_CUSTOMER, "customer", strlen(customer));
    else if (equals)
        rc = parse_attr(p, equals);
    else
        rc = parse_names(p);
    return rc ? rc : next_token(p);
}

static int parse_not(struct parser *p)
{
    struct tg_selector_step *step;
    const char *at = p->token;
    bool negate = false;

    while (is_word(p, "not")) { /* two of them are none */
        int rc = next_token(p);
        if (rc)
            return rc;
        negate = !negate;
    }
    int rc = parse_term(p);
    return rc || !negate ? rc : push(p, TG_SELECT_NOT, at, &step);
}

static int parse_and(struct parser *p)
{
    struct tg_selector_step *step;
    int rc = parse_not(p);

    while (!rc && is_word(p, "and")) {
        const char *at = p->token;
        rc = next_token(p);
        if (!rc)
            rc = parse_not(p);
        if (!rc)
            rc = push(p, TG_SELECT_AND, at, &step);
    }
    return rc;
}

static int parse_or(struct parser *p)
{
    struct tg_selector_step *step;
    int rc = parse_and(p);

    while (!rc && is_word(p, "or")) {
        const char *at = p->token;
        rc = next_token(p);
        if (!rc)
            rc = parse_and(p);
        if (!rc)
            rc = push(p, TG_SELECT_OR, at, &step);
    }
    return rc;
}

static int parse(struct parser *p)
{
    int rc = next_token(p);

    if (!rc)
        rc = parse_or(p);
    if (rc || !p->token)
        return rc;
    if (is_word(p, ")"))
        return tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, p->token), "\")\" without \"(\"");
    tg_fail_at(p->e, TG_E_DATA, NULL, 0, column_of(p, p->token), "\"and\" or \"or\" is missing before \"%.*s\"", shown(p->len), p->token);
    return TG_E_DATA;
}

int tg_selector_parse(const char *text, struct tg_selector **out, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    struct parser p = {.e = e ? e : &own};

    if (strlen(text) > TG_SELECTOR_BYTES_MAX)
        return tg_fail(e, TG_E_DATA, "a selector has at most %u bytes", TG_SELECTOR_BYTES_MAX);
    p.s = calloc(1, sizeof *p.s);
    if (!p.s || !(p.s->text = strdup(text))) {
        free(p.s);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    p.at = p.s->text;
    int rc = parse(&p);
    if (rc)
        tg_selector_free(p.s);
    else
        *out = p.s;
    return rc;
}

void tg_selector_free(struct tg_selector *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        free(s->steps[i].text);
        free(s->steps[i].value);
        free(s->steps[i].ranges);
        tg_hostlist_release(&s->steps[i].names);
    }
    free(s->steps);
    free(s->text);
    free(s);
}
