#!/usr/bin/env bash
# An installed tree, put where nothing of ours has been before: the program, its modules, the library for others' programs, the pages.
. "$(dirname "$0")/lib.sh"
need cmake pkg-config man
need_build_compiler

root=$tmp/prefix
run cmake --install "$TAGOUT_BUILD" --prefix "$root"
expect_status 0
export TAGOUT_STATE_DIR=$tmp/state
unset TAGOUT_MODULES LD_LIBRARY_PATH
tagout=$root/bin/tagout

note "the program finds its library and its own modules, without ldconfig"
run "$tagout" --version
expect_status 0
expect_out "tagout "
run "$tagout" doctor
expect_match 'ok +modules +zk [0-9.]+, ssh [0-9.]+, puppet [0-9.]+, salt [0-9.]+, ansible [0-9.]+, http [0-9.]+, httpd [0-9.]+, haproxy [0-9.]+, alertmanager [0-9.]+, libvirt [0-9.]+, delivery [0-9.]+'
run env LD_DEBUG=files LD_DEBUG_OUTPUT="$tmp/ld" "$tagout" doctor
module=$(cat "$tmp"/ld.* | grep -o '/[^ ;]*/tagout-zk\.so' | sort -u)
expect_equal "$(realpath "$module")" "$(realpath "$(find "$root" -name tagout-zk.so)")" "the module that was loaded"

note "pkg-config tells of this tree; a module of somebody else would be built with it (libtagout, for programs, is in api.sh)"
cat >"$tmp/small.c" <<'C'
#include <tagout/error.h>
#include <tagout/store.h>
#include <stdio.h>

int main(void)
{
    struct tg_error e = TG_ERROR_INIT;
    int rc = tg_fail(&e, TG_E_HELD, "held by %s", "alice");

    printf("%s: %d\n", e.message, tg_exit_status(rc));
    return 0;
}
C
pc=$(dirname "$(find "$root" -name tagout.pc)")
export PKG_CONFIG_PATH=$pc
libdir=$(pkg-config --variable=libdir tagout-core)
sanitizers
read -ra flags < <(pkg-config --cflags --libs tagout-core)
run "$cc" -Wall -Wextra -Werror "${sanitize[@]}" "$tmp/small.c" -o "$tmp/small" "${flags[@]}" "-Wl,-rpath,$libdir"
expect_status 0
run env "ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0" "$tmp/small" # the tracer of leaks dies now and then in so short a run
expect_equal "$out" "held by alice: 75"

note "every command has a page that man can show; the guides and the Puppet module are there"
while read -r name; do
    page=$root/share/man/man1/tagout-$name.1
    expect_true "$page is shown" bash -c "grep -q 'EXIT STATUS' < <(man -l '$page')"
done < <("$tagout" _tables names)
for file in share/man/man1/tagout.1 share/man/man5/tagout.yaml.5 share/man/man7/tagout-selector.7 share/bash-completion/completions/tagout \
    share/tagout/puppet/tagout/metadata.json share/tagout/salt/module/executors/tagout.py share/tagout/salt/minion.d/tagout.conf share/tagout/ansible/callback/tagout.py share/tagout/ansible/roles/tagout/tasks/main.yml share/doc/tagout/shards.md share/doc/tagout/promises.md; do
    expect_true "$file is installed" test -f "$root/$file"
done

note "tagout-hooks finds its files and this installation's program, leaves alone what somebody changed, and takes out only its own"
hooks=$root/sbin/tagout-hooks
run "$hooks" list
expect_status 0
expect_match 'apt +[^ ]+( apt-get)? +/etc/apt/apt.conf.d/00tagout'
run "$hooks" enable --root "$tmp/image" apt dpkg unit:backup.service
expect_status 0
expect_file_has "$tmp/image/etc/apt/apt.conf.d/00tagout" "$root/bin/tagout check --no-environment --actor package-manager"
expect_file_has "$tmp/image/etc/systemd/system/backup.service.d/50-tagout.conf" "ExecCondition=+"
expect_equal "$(grep -rl @PROGRAM@ "$tmp/image" || true)" "" "files with a name that was not replaced"
run "$hooks" enable --root "$tmp/image" --actor backup unit:backup.service
expect_status 75
echo '# mine' >"$tmp/image/etc/dpkg/dpkg.cfg.d/tagout"
run "$hooks" disable --root "$tmp/image" dpkg
expect_status 75
expect_true "a file of somebody's is left" test -e "$tmp/image/etc/dpkg/dpkg.cfg.d/tagout"
run "$hooks" disable --root "$tmp/image" apt unit:backup.service
expect_status 0
expect_true "its own is gone" test ! -e "$tmp/image/etc/apt/apt.conf.d/00tagout"
for bad in 'enable nosuch' 'enable unit:../x.service' 'enable unit:a.timer' 'enable --program rel apt' 'enable --actor A|B unit:a.service' enable bogus; do
    # shellcheck disable=SC2086 # words on purpose
    run "$hooks" $bad
    expect_status 64
done
