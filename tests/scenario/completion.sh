#!/usr/bin/env bash
# The completion in a real bash with bash-completion: commands, options, choices, files, and what the inventory knows.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/inventory.yaml" <<'YAML'
groups:
  web: {hosts: "web[1-3].example.com", attrs: {role: web}}
  db: {hosts: db1, attrs: {rack: r1}}
YAML
: >"$work/a file.yaml"
ln -s "$TAGOUT" "$work/tagout"
export PATH=$work:$PATH work
cat >"$work/complete" <<'BASH'
. /usr/share/bash-completion/bash_completion
. <(tagout completion bash)
# What TAB offers behind the words; the words are broken as readline breaks them.
COMP_LINE=$1
COMP_POINT=${#COMP_LINE}
mapfile -t COMP_WORDS < <(printf '%s' "$COMP_LINE" | grep -oE '[:=@]+|[^ :=@]+')
case $COMP_LINE in *' ') COMP_WORDS+=('') ;; esac
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; }
timeout() { [ "$1" = 1 ] && command timeout 60 "${@:2}"; } # a prompt waits a second, and this machine may be busy
_tagout
printf '%s\n' "${COMPREPLY[@]}" | sed 's/ *$//' | sort | tr '\n' ' ' | sed 's/ *$//'
BASH
failed=0
offers() { # LINE EXPECTED: all that is offered, in order
    local got
    got=$(cd "$work" && bash --norc "$work/complete" "$1" 2>"$work/err")
    if [ "$got" != "$2" ] || [ -s "$work/err" ]; then
        printf 'behind "%s": wanted "%s", got "%s"\n' "$1" "$2" "$got"
        cat "$work/err"
        failed=1
    fi
}
i="-i $work/inventory.yaml"
offers 'tagout sha' 'shard'
offers 'tagout inv' 'inventory'
offers 'tagout inventory ' 'check'
offers 'tagout inventory check --st' '--store --strict'
offers 'tagout hosts --exp' '--expand'
offers 'tagout --out' '--output'
offers 'tagout hosts -o ' 'json text'
offers 'tagout hosts --output=j' 'json'
offers 'tagout -o json sha' 'shard'
offers 'tagout completion ' 'bash'
offers 'tagout _' ''
offers 'tagout plan a' 'a file.yaml'
offers "tagout $i shard w" 'web1.example.com web2.example.com web3.example.com'
offers "tagout $i hosts @" 'db web'
offers "tagout $i hosts r" 'rack= role='
offers "tagout $i hosts @web a" 'and'

# What the store knows: a lock of ours on the embedded one.
export TAGOUT_STATE_DIR=$work/state TAGOUT_STORE=local:$work/state/store.db
mkdir "$work/state"
tagout init >/dev/null && tagout lock service:x --reason test --for 1h >/dev/null 2>&1
lock=$(tagout locks -o json | sed -n 's/.*"id": "\([^"]*\)".*/\1/p')
[ -n "$lock" ] || { echo "no lock was taken"; failed=1; }
offers 'tagout unlock ' "$lock"
offers "tagout $i lock group:" 'db web'
offers 'tagout lock serv' 'service:'
offers 'tagout check --actor auto' 'autoscaler'
exit $failed
