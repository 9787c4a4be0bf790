#!/usr/bin/env bash
# apt and dpkg on a real host with packages of this test's own: a lock holds what changes packages, nothing else, and never the end of what has
# begun (P2). doctor --enforce tells which of them are held.
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
need ip unshare apt-get dpkg-deb

# hello 1 and 2, slow (its configuration can be made to fail), in a repository that is a folder.
package() { # NAME VERSION
    local tree=$tmp/tree.$1.$2
    mkdir -p "$tree/DEBIAN" "$tree/opt/$1"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: for a test\n' "$1" "$2" >"$tree/DEBIAN/control"
    echo "$2" >"$tree/opt/$1/version"
    [ "$1" != slow ] || { printf '#!/bin/sh\ntest ! -e /opt/not-yet\n' >"$tree/DEBIAN/postinst" && chmod 755 "$tree/DEBIAN/postinst"; }
    dpkg-deb -b "$tree" "$tmp/repo" >/dev/null
    { dpkg-deb -f "$tmp/repo/$1_$2_all.deb" && printf 'Filename: ./%s_%s_all.deb\nSize: %s\nSHA256: %s\n\n' "$1" "$2" \
        "$(stat -c %s "$tmp/repo/$1_$2_all.deb")" "$(sha256sum "$tmp/repo/$1_$2_all.deb" | cut -d' ' -f1)"; } >>"$tmp/repo/Packages"
}
mkdir "$tmp/repo"
package hello 1
package hello 2
package slow 1

fleet_up --hosts 'ops1 app1' --tagout "$TAGOUT" --mount "$tmp/repo:/srv/repo" --mount "$TAGOUT_SOURCE/plugins/os:/srv/hooks"
on() { fleet exec "$@"; }
apt() { # [VARIABLE=VALUE…] ARGUMENT…, on app1
    local env=()
    while [[ $1 == [A-Z]*=* ]]; do
        env+=("$1")
        shift
    done
    # no cache: it goes by times in whole seconds
    run on app1 env DEBIAN_FRONTEND=noninteractive "${env[@]}" apt-get -y -q -o Dir::Cache::pkgcache= "$@"
}
version() { on app1 cat "/opt/$1/version" 2>/dev/null || echo none; }
expect_version() { expect_equal "$(version "$1")" "$2" "version of $1"; } # NAME VERSION
hold() { # a lock on app1 for packages
    run on ops1 tagout lock host:app1.example.com --for 1h --ticket OPS-7 --reason 'move the "data" disk' --hold package-manager
    expect_status 0
    lock=$(sed -n 's/^Locked  \([A-Z0-9]*\) .*/\1/p' <<<"$out")
}
free() {
    run on ops1 tagout unlock "$lock"
    expect_status 0
}
expect_held() { # STATUS
    expect_status "$1"
    expect_match 'TAGOUT-HELD lock=[A-Z0-9]+ scope=host:app1.example.com owner=root@ops1.example.com ticket=OPS-7 .*reason="move the \\"data\\" disk"'
}

run on ops1 tagout init
expect_status 0
# shellcheck disable=SC2016 # for the shell over there
on app1 sh -c 'rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d/* /var/lib/apt/lists/* && mkdir -p /etc/apt/sources.list.d &&
    echo "deb [trusted=yes] file:/srv/repo ./" >/etc/apt/sources.list'
apt update
expect_status 0

note "without the hooks: doctor --enforce says so, and changes nothing"
before=$(on app1 sh -c 'dpkg-query -W | sha256sum; ls -la /var/lib/dpkg /tmp')
run on app1 tagout doctor --enforce apt dpkg
expect_status 1
expect_match 'not configured +apt '
expect_match 'not configured +dpkg '
run on app1 /srv/hooks/tagout-hooks enable apt dpkg
expect_status 0
run on app1 /srv/hooks/tagout-hooks enable apt
expect_out "there already"
run on app1 sh -c 'echo "DPkg::Pre-Invoke { \"true\"; };" >>/etc/apt/apt.conf.d/00tagout; /srv/hooks/tagout-hooks enable apt'
expect_status 75
run on app1 /srv/hooks/tagout-hooks enable --force apt
expect_status 0

note "with them: BLOCKED, proven, though nothing is locked; and nothing is left"
run on app1 tagout doctor --enforce apt dpkg
expect_status 0
expect_match 'BLOCKED +apt .*00tagout.*exit status 100: TAGOUT-HELD lock=.* scope=service:tagout-doctor-'
expect_match 'BLOCKED +dpkg .*dpkg.cfg.d/tagout.*exit status 2: TAGOUT-HELD'
expect_equal "$(on app1 sh -c 'dpkg-query -W | sha256sum; ls -la /var/lib/dpkg /tmp')" "$before" "what doctor leaves"
run on app1 tagout locks
expect_no_out doctor

note "free: both install"
apt install hello=1
expect_status 0
expect_version hello 1
run on app1 dpkg -i /srv/repo/hello_2_all.deb
expect_status 0
expect_version hello 2
apt install --allow-downgrades hello=1
expect_status 0
expect_version hello 1

note "held: nothing changes, and it says by whom; what changes nothing goes on"
hold
for args in 'upgrade' 'install hello' 'install slow' 'remove hello' 'purge hello'; do
    # shellcheck disable=SC2086 # words on purpose
    apt $args
    expect_held 100
done
for args in '-i /srv/repo/hello_2_all.deb' '--unpack /srv/repo/hello_2_all.deb' '-r hello' '-P hello' '--force-all -i /srv/repo/hello_2_all.deb'; do
    # shellcheck disable=SC2086 # words on purpose
    run on app1 dpkg $args
    expect_held 2
done
expect_version hello 1
expect_version slow none
apt update
expect_status 0
apt -s upgrade
expect_status 0
apt -d install slow
expect_status 0
run on app1 dpkg -l hello
expect_status 0
run on app1 dpkg -s hello
expect_status 0

note "the holder's own work passes, by its token; another kind of automation is not held"
run on app1 tagout lock host:app1.example.com --for 1h --reason own --hold package-manager -- apt-get -y -q install hello=2
expect_status 100 # OPS-7 is not its own
expect_version hello 1
free
run on app1 tagout lock host:app1.example.com --for 1h --reason own --hold package-manager -- apt-get -y -q install hello=2
expect_status 0
expect_version hello 2
run on app1 tagout lock host:app1.example.com --for 1h --reason own --hold package-manager -- dpkg -r hello
expect_status 0
expect_version hello none
run on ops1 tagout lock host:app1.example.com --for 1h --reason x --hold reboot
lock=$(sed -n 's/^Locked  \([A-Z0-9]*\) .*/\1/p' <<<"$out")
apt install hello=1
expect_status 0
free

note "P2: who is held can't choose another store, socket, state or module for root's hook, whatever sudo lets through; a token passes"
on app1 sh -c 'echo "Defaults:tagout env_keep += \"TAGOUT_*\"" >/etc/sudoers.d/z-more && chmod 440 /etc/sudoers.d/z-more
    mkdir -p /tmp/own/modules && cp /usr/local/bin/modules/tagout-*.so /tmp/own/modules 2>/dev/null; chown -R tagout: /tmp/own'
as_user() { # [VARIABLE=VALUE…] COMMAND…: on app1, by the user tagout's sudo
    run on app1 setpriv --reuid tagout --regid tagout --init-groups env DEBIAN_FRONTEND=noninteractive "${@:1:$#-1}" sh -c "sudo -n ${*: -1}"
}
run on app1 setpriv --reuid tagout --regid tagout --init-groups tagout --store local:/tmp/own/store.db init
expect_status 0
on app1 setpriv --reuid tagout --regid tagout --init-groups python3 - <<'PYTHON' &
import json, os, socket
s = socket.socket(socket.AF_UNIX)
s.bind("/tmp/own/agent.sock")
os.chmod("/tmp/own/agent.sock", 0o666)
s.listen(8)
while True:
    c = s.accept()[0]
    c.recv(65536)
    c.sendall(json.dumps({"v": 1, "ok": True, "answer": "go", "line": "", "explain": "", "exit": 0}).encode() + b"\n")
    c.close()
PYTHON
liar=$!
at_exit kill "$liar"
await 10 on app1 test -S /tmp/own/agent.sock
hold
own=(TAGOUT_STORE=local:/tmp/own/store.db TAGOUT_STATE_DIR=/tmp/own/state TAGOUT_AGENT_SOCKET=/tmp/own/agent.sock TAGOUT_MODULES=/tmp/own/modules)
as_user "${own[@]}" "tagout check --actor package-manager host:app1.example.com"
expect_status 0 # sudo does let it through
for variable in "${own[@]}"; do
    as_user "$variable" "apt-get -y -q -o Dir::Cache::pkgcache= install hello=2"
    expect_held 100
    as_user "$variable" "dpkg -i /srv/repo/hello_2_all.deb"
    expect_held 2
done
as_user "${own[@]}" "apt-get -y -q -o Dir::Cache::pkgcache= install hello=2"
expect_held 100
expect_version hello 1
free
run on app1 tagout lock host:app1.example.com --for 1h --reason own --hold package-manager -- \
    setpriv --reuid tagout --regid tagout --init-groups sudo -n apt-get -y -q -o Dir::Cache::pkgcache= install hello=2
expect_status 0
expect_version hello 2
run on app1 apt-get -y -q --allow-downgrades install hello=1
expect_version hello 1
on app1 rm /etc/sudoers.d/z-more

note "what has begun can be finished: configure is never refused, by dpkg or by apt"
on app1 touch /opt/not-yet
apt install slow
expect_status 100
run on app1 dpkg-query -W -f '${db:Status-Status}' slow
expect_out half-configured
hold
on app1 rm /opt/not-yet
run on app1 dpkg --configure -a
expect_status 0
run on app1 dpkg-query -W -f '${db:Status-Status}' slow
expect_equal "$out" installed slow
run on app1 dpkg --triggers-only -a
expect_status 0
free
# A lock that comes in the middle of a transaction: apt asked once, its further calls of dpkg are not refused.
hold
run on app1 env DPKG_FRONTEND_LOCKED=true dpkg --unpack /srv/repo/hello_2_all.deb
expect_status 0
run on app1 dpkg --configure hello
expect_status 0
expect_version hello 2
run on app1 sh -c 'mkdir -p /opt/image/var/lib/dpkg/updates /opt/image/var/lib/dpkg/info; : >/opt/image/var/lib/dpkg/status; dpkg --root=/opt/image -i /srv/repo/hello_2_all.deb'
expect_status 0 # another root is not this host
free

note "unknown holds; --on-unknown in the file says what else it may mean"
run on app1 mv /srv/tagout/store.db /srv/tagout/gone.db
apt install --allow-downgrades hello=1
expect_status 100
expect_match 'TAGOUT-UNKNOWN'
run on app1 dpkg -r hello
expect_status 2
expect_match 'TAGOUT-UNKNOWN'
expect_version hello 2
run on app1 tagout doctor --enforce apt
expect_status 69
expect_match 'not tried +apt'
run on app1 sed -i 's/--on-unknown hold/--on-unknown go/' /etc/apt/apt.conf.d/00tagout
apt install --allow-downgrades hello=1
expect_status 0
expect_match 'TAGOUT-ASSUMED answer=go policy=go'
expect_version hello 1
run on app1 mv /srv/tagout/gone.db /srv/tagout/store.db

note "a hook that does not hold is found: one that only says so, and one that is not asked"
run on app1 sed -i 's/--on-unknown go"/--on-unknown go; true"/' /etc/apt/apt.conf.d/00tagout
run on app1 tagout doctor --enforce apt
expect_status 1
expect_match 'NOT BLOCKED +apt .*though its hook said: TAGOUT-HELD'
run on app1 tagout doctor --enforce apt -o json
expect_status 1
expect_out '"enforced": "not-blocked"'
run on app1 /srv/hooks/tagout-hooks enable --force apt
run on app1 sed -i 's/install::|//' /etc/dpkg/dpkg.cfg.d/tagout
run on app1 tagout doctor --enforce dpkg
expect_status 1
expect_match 'NOT BLOCKED +dpkg .*its hook was not asked'

note "without the program both go on; the strict line refuses"
hold
run on app1 mv /usr/local/bin/tagout /usr/local/bin/away
apt install hello=2
expect_status 0
expect_version hello 2
run on app1 dpkg -r hello
expect_status 0
run on app1 sed -i '/^DPkg/d; s,^// DPkg,DPkg,' /etc/apt/apt.conf.d/00tagout
apt install hello
expect_status 100
expect_version hello none
run on app1 mv /usr/local/bin/away /usr/local/bin/tagout
free

note "a deliberate bypass, and the hooks taken out again"
hold
run on app1 sh -c "echo 'Dir::Etc::Parts \"/nonexistent\";' >/root/bypass && APT_CONFIG=/root/bypass apt-get -y -q install hello=1"
expect_status 0
expect_version hello 1
run on app1 /srv/hooks/tagout-hooks disable --force apt dpkg
expect_status 0
apt install hello=2
expect_status 0
expect_version hello 2
run on app1 /srv/hooks/tagout-hooks list
expect_status 0
expect_match 'apt +- '
