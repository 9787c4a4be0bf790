#!/usr/bin/env bash
# A real dnf with a repository of this test's own: a lock holds what changes packages, by the command line, by Python, and by dnf-automatic (P2).
# shellcheck disable=SC2154 # status, out, err, tmp come from lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/host
. "$TAGOUT_SOURCE/tests/lib/host"
need ip unshare
fetch_debs dnf createrepo-c rpm

fleet_up --hosts 'ops1 app1' --tagout "$TAGOUT" --mount "$debs:/srv/debs" --mount "$TAGOUT_SOURCE/plugins/os:/srv/hooks"
on() { fleet exec "$@"; }
dnf() { run fleet exec app1 dnf -y "$@"; }
version() { fleet exec app1 cat /opt/hello 2>/dev/null || echo none; }
expect_version() { expect_equal "$(version)" "$1" "version of hello"; }
hold() { # a lock on app1 for packages
    run on ops1 tagout lock host:app1.example.com --for 1h --ticket OPS-7 --reason 'new "data" disk' --hold package-manager
    expect_status 0
    lock=$(sed -n 's/^Locked  \([A-Z0-9]*\) .*/\1/p' <<<"$out")
}
free() {
    run on ops1 tagout unlock "$lock"
    expect_status 0
}
expect_held() { # STATUS
    expect_status "$1"
    expect_match 'TAGOUT-HELD lock=[A-Z0-9]+ scope=host:app1.example.com .*ticket=OPS-7 .*reason="new \\"data\\" disk"'
}

run on ops1 tagout init
expect_status 0
install_debs app1 dnf createrepo-c rpm
# shellcheck disable=SC2016 # for the shell over there
run on app1 sh -c 'mkdir -p /srv/repo /etc/yum.repos.d && cd /root
    for v in 1 2; do
        printf "Name: hello\nVersion: $v\nRelease: 1\nSummary: x\nLicense: none\nBuildArch: noarch\n%%description\nx\n%%install\nmkdir -p %%{buildroot}/opt\necho $v >%%{buildroot}/opt/hello\n%%files\n/opt/hello\n" >hello.spec
        rpmbuild -bb --define "_rpmdir /srv/repo" hello.spec || exit
    done
    createrepo_c -q /srv/repo && printf "[test]\nname=test\nbaseurl=file:///srv/repo\ngpgcheck=0\n" >/etc/yum.repos.d/test.repo'
expect_status 0

note "without the hook, doctor says so; with it, BLOCKED, proven"
run on app1 tagout doctor --enforce dnf
expect_status 1
expect_match 'not configured +dnf'
run on app1 /srv/hooks/tagout-hooks enable dnf
expect_status 0
run on app1 tagout doctor --enforce dnf
expect_status 0
expect_match 'BLOCKED +dnf .*tagout.py.*TAGOUT-HELD lock=.* scope=service:tagout-doctor-'
run on app1 tagout locks
expect_no_out doctor

note "free: it installs"
dnf install hello-1
expect_status 0
expect_version 1

note "held: nothing changes, and it says by whom; what changes nothing goes on"
hold
for args in 'upgrade' 'install hello-2' 'remove hello' 'reinstall hello'; do
    # shellcheck disable=SC2086 # words on purpose
    dnf $args
    expect_held 1
done
expect_version 1
# Debian is no release that dnf knows; and the program is not in its package, only the module.
run fleet exec app1 python3 -c 'import sys, dnf.rpm, dnf.automatic.main as m; dnf.rpm.detect_releasever = lambda root: "12"; sys.exit(m.main(["--installupdates"]))'
expect_status 1
expect_match 'TAGOUT-HELD'
expect_version 1
dnf list
expect_status 0
dnf check-update
expect_status 100
dnf upgrade --downloadonly
expect_status 0
dnf upgrade --setopt=tsflags=test
expect_status 0
expect_version 1

note "the holder's own work passes, by its token"
free
run on app1 tagout lock host:app1.example.com --for 1h --reason own --hold package-manager -- dnf -y upgrade
expect_status 0
expect_version 2
dnf downgrade hello-1
expect_status 0

note "unknown holds; what can go wrong in the plugin holds; without the program it goes on"
run on app1 mv /srv/tagout/store.db /srv/tagout/gone.db
dnf upgrade
expect_status 1
expect_match TAGOUT-UNKNOWN
run on app1 tagout doctor --enforce dnf
expect_status 69
plugin=/usr/lib/python3/dist-packages/dnf-plugins/tagout.py
run on app1 sed -i 's/--on-unknown", "hold"/--on-unknown", "go"/' "$plugin"
run on app1 mv /srv/tagout/gone.db /srv/tagout/store.db
hold
run on app1 sh -c 'mv /usr/local/bin/tagout /usr/local/bin/away; mkdir /usr/local/bin/tagout'
dnf upgrade
expect_status 1
expect_match 'could not be asked'
expect_version 1
run on app1 rmdir /usr/local/bin/tagout
dnf upgrade
expect_status 0
expect_version 2
run on app1 mv /usr/local/bin/away /usr/local/bin/tagout

note "a hook that does not hold is found: an exception that is not dnf's, plugins switched off"
run on app1 /srv/hooks/tagout-hooks enable --force dnf
run on app1 sed -i 's/raise dnf.exceptions.Error(text/raise RuntimeError(text/' "$plugin"
dnf downgrade hello-1
expect_status 0 # it is only printed
expect_version 1
run on app1 tagout doctor --enforce dnf
expect_status 1
expect_match 'NOT BLOCKED +dnf'
run on app1 /srv/hooks/tagout-hooks enable --force dnf
run on app1 sh -c 'printf "[main]\nplugins=0\n" >/etc/dnf/dnf.conf'
run on app1 tagout doctor --enforce dnf
expect_status 1
expect_match 'NOT BLOCKED +dnf .*its hook was not asked'
run on app1 sh -c 'printf "[main]\nplugins=1\n" >/etc/dnf/dnf.conf'

note "a deliberate bypass; the hook taken out"
dnf --disableplugin=tagout upgrade
expect_status 0
expect_version 2
run on app1 /srv/hooks/tagout-hooks disable dnf
expect_status 0
dnf downgrade hello-1
expect_status 0
expect_version 1
free
