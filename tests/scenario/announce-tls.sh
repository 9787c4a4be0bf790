#!/usr/bin/env bash
# Mail servers and webhooks behind TLS: each certificate that does not fit is refused with its mend, and nothing was said to that server; redirects are not
# followed; answers without end have one (P12).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/announce
. "$TAGOUT_SOURCE/tests/lib/announce"
need_root
need python3 openssl unshare

read -r smtps_port https_port strip_port < <(free_ports 3 | xargs)
echo good >"$tmp/cert"
echo 200 >"$tmp/answer"

# ---- an authority, and certificates that fit or do not
ca() { # NAME
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/$1.key" -out "$tmp/$1.pem" -days 2 -subj "/CN=$1 of a test" -addext basicConstraints=critical,CA:true
}
cert() { # NAME CA SUBJECT-ALTERNATIVE-NAME [OPTION…]
    local name=$1 ca=$2 san=$3
    shift 3
    openssl req -newkey rsa:2048 -nodes -keyout "$tmp/$name.key" -out "$tmp/$name.csr" -subj "/CN=$name"
    openssl x509 -req -in "$tmp/$name.csr" -CA "$tmp/$ca.pem" -CAkey "$tmp/$ca.key" -CAcreateserial -out "$tmp/$name.pem" -extfile <(printf 'subjectAltName=%s' "$san") "$@"
}
{
    ca ours
    ca theirs
    cert good ours DNS:localhost,IP:127.0.0.1 -days 2
    cert wrong-name ours DNS:mail.other.example -days 2
    cert unknown theirs DNS:localhost -days 2
    # over: signed by our authority, for a time that has passed
    mkdir "$tmp/ca.d"
    : >"$tmp/ca.d/index"
    echo 01 >"$tmp/ca.d/serial"
    printf '[ca]\ndefault_ca=c\n[c]\ndatabase=%s/ca.d/index\nserial=%s/ca.d/serial\nnew_certs_dir=%s/ca.d\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:localhost\n' \
        "$tmp" "$tmp" "$tmp" >"$tmp/ca.cnf"
    openssl req -newkey rsa:2048 -nodes -keyout "$tmp/expired.key" -out "$tmp/expired.csr" -subj /CN=expired
    openssl ca -batch -notext -config "$tmp/ca.cnf" -cert "$tmp/ours.pem" -keyfile "$tmp/ours.key" -in "$tmp/expired.csr" -out "$tmp/expired.pem" \
        -startdate 20200101000000Z -enddate 20200201000000Z
} >"$tmp/openssl.log" 2>&1 || fail "openssl: $(tail -5 "$tmp/openssl.log")"

# Each connection takes the certificate that the file "cert" names. What clients say behind the handshake lies in *.said.
cat >"$tmp/servers.py" <<'PY'
import socket, socketserver, ssl, sys, threading
tmp, smtps, https, strip = sys.argv[1], *map(int, sys.argv[2:])
read = lambda name: open(tmp + "/" + name).read().strip()
def note(name, data):
    with open(tmp + "/" + name, "ab") as f:
        f.write(data)
def tls(sock):
    name = read("cert")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("%s/%s.pem" % (tmp, name), "%s/%s.key" % (tmp, name))
    return context.wrap_socket(sock, server_side=True)
class Quiet(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            self.talk()
        except (OSError, ssl.SSLError):
            pass
class Smtps(Quiet):
    def talk(self):
        f = tls(self.request).makefile("rwb", buffering=0)
        f.write(b"220 hello\r\n")
        while line := f.readline(100000):
            note("smtps.said", line)
            if line[:4].upper() == b"QUIT":
                return
            if line[:4].upper() == b"DATA":
                f.write(b"354 go on\r\n")
                while (line := f.readline(100000)) not in (b".\r\n", b""):
                    pass
            f.write(b"250 fine\r\n")
class Strip(Quiet): # offers no STARTTLS: as it is, or as somebody between would have it
    def talk(self):
        f = self.request.makefile("rwb", buffering=0)
        f.write(b"220 hello\r\n")
        while line := f.readline(100000):
            note("strip.said", line)
            f.write(b"250-hello\r\n250 AUTH PLAIN\r\n" if line[:4] == b"EHLO" else b"250 fine\r\n")
class Https(Quiet):
    def talk(self):
        f = tls(self.request).makefile("rwb", buffering=0)
        head = {}
        if not (first := f.readline(10000)):
            return
        while (line := f.readline(10000)) not in (b"\r\n", b""):
            head[line.split(b":")[0].lower()] = line.split(b":", 1)[1].strip()
        body = f.read(int(head.get(b"content-length", b"0")))
        note("https.said", first.strip() + b" " + head.get(b"webhook-signature", b"none") + b"\n")
        answer = read("answer")
        if answer == "headers":
            f.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                f.write(b"X-More: " + b"x" * 1000 + b"\r\n")
        if answer == "slow":
            threading.Event().wait(30)
        if answer.startswith("http"):
            f.write(b"HTTP/1.1 307 Elsewhere\r\nLocation: " + answer.encode() + b"\r\nContent-Length: 0\r\n\r\n")
        else:
            f.write(b"HTTP/1.1 " + answer.encode() + b" x\r\nContent-Length: 0\r\n\r\n")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
for port, handler in ((smtps, Smtps), (https, Https), (strip, Strip)):
    threading.Thread(target=Server(("127.0.0.1", port), handler).serve_forever).start()
PY
start servers python3 "$tmp/servers.py" "$tmp" "$smtps_port" "$https_port" "$strip_port"
for port in "$smtps_port" "$https_port" "$strip_port"; do await 10 listens "$port"; done
printf '0123456789abcdef0123456789abcdef\n' >"$tmp/hook.secret"
printf 's3cret\n' >"$tmp/smtp.password"
chmod 600 "$tmp/hook.secret" "$tmp/smtp.password"
site() { # SMTP [CA]
    announce_site "local:$tmp/store.db" "  timeout: 3s" "  smtp: {$1}" "  webhooks: {chat: {url: \"https://localhost:$https_port/x\", secret-file: $tmp/hook.secret${2:+, ca: $2}}}"
}
smtps="url: \"smtps://localhost:$smtps_port\", helo: ops1.example.com"
mail() { t announce test alice@example.com; }
hook() { t announce test webhook:chat; }
said() { [ ! -e "$tmp/$1.said" ] || wc -l <"$tmp/$1.said"; }

note "with an authority that is known, and a certificate that fits: taken"
site "$smtps, ca: $tmp/ours.pem" "$tmp/ours.pem"
mail
expect_status 0
hook
expect_status 0
expect_true "signed" grep -q ' v1,' "$tmp/https.said"

note "each that does not fit: refused with its mend, and nothing is said"
rm "$tmp"/*.said
try() { # CERTIFICATE MEND
    echo "$1" >"$tmp/cert"
    local what
    for what in mail hook; do
        $what
        expect_status 78
        expect_err "$2"
    done
    expect_equal "$(said smtps)$(said https)" "" "said to a server with certificate $1"
}
try wrong-name "the url must name this one"
try expired "the server's certificate is over"
try unknown 'give the file of its authority as "ca"'
echo good >"$tmp/cert"
site "$smtps"
mail
expect_status 78
expect_err 'give the file of its authority as "ca"'
hook
expect_status 78
expect_equal "$(said smtps)$(said https)" "" "said"
site "$smtps, ca: $tmp/none.pem" "$tmp/none.pem"
mail
expect_status 78
expect_err 'mend the file that "ca" names'

note "with ca, by that file alone: an authority of the system counts for nothing there; without, it does"
# shellcheck disable=SC2016 # for the inner shell
system() { # the same, where the system trusts "theirs" and nobody else
    run "$bounded" $patience_of_one unshare --mount sh -c 'mount -t tmpfs none /etc/ssl/certs && cp "$1" /etc/ssl/certs/ca-certificates.crt &&
        cp "$1" "/etc/ssl/certs/$(openssl x509 -hash -noout -in "$1").0" && shift && exec "$@"' _ "$tmp/theirs.pem" "$TAGOUT" --config "$tmp/tagout.yaml" announce test "$1"
}
echo unknown >"$tmp/cert"
site "$smtps"
for to in alice@example.com webhook:chat; do
    system $to
    expect_status 0
done
site "$smtps, ca: $tmp/ours.pem" "$tmp/ours.pem"
rm -f "$tmp"/*.said
for to in alice@example.com webhook:chat; do
    system $to
    expect_status 78
    expect_err 'give the file of its authority as "ca"'
done
expect_equal "$(said smtps)$(said https)" "" "said"
echo good >"$tmp/cert"
for to in alice@example.com webhook:chat; do
    system $to
    expect_status 0
done

note "STARTTLS that is taken away: neither an address nor a password is said"
site "url: \"smtp://localhost:$strip_port\", user: me, password-file: $tmp/smtp.password"
mail
expect_status 78
expect_err 'offers no STARTTLS'
expect_true "nothing but a greeting" test "$(grep -cvE '^(EHLO|HELO|QUIT)' "$tmp/strip.said")" = 0

note "a redirect is not followed, so that a signature reaches nobody else"
site "$smtps, ca: $tmp/ours.pem" "$tmp/ours.pem"
rm -f "$tmp"/*.said
for where in "https://localhost:$https_port/elsewhere" "http://127.0.0.1:$strip_port/"; do
    echo "$where" >"$tmp/answer"
    hook
    expect_status 1
    expect_err 'HTTP status 307'
done
expect_equal "$(said https)$(said strip)" 2 "two calls"

note "answers without end have one, and slow ones too"
echo headers >"$tmp/answer"
hook
expect_status 0 # it has said that it took it, and more than anybody listens to
echo slow >"$tmp/answer"
hook
expect_status 1
expect_match '[Tt]imed? ?out'
expect_equal "$(said https)" 4 "four calls"
