#!/usr/bin/env bash
# Modules are loaded by name and only when something names them; what is no module of this tagout is refused with its file.
. "$(dirname "$0")/lib.sh"

export TAGOUT_STATE_DIR=$tmp/state TAGOUT_STORE=local:$tmp/store.db
mkdir "$tmp/ld" "$tmp/modules"
loaded() { # COMMAND…: which libraries the loader looked for
    rm -f "$tmp"/ld/*
    LD_DEBUG=libs LD_DEBUG_OUTPUT=$tmp/ld/out run "$@"
    cat "$tmp"/ld/out* >"$tmp/loaded"
}

note "check with the embedded store loads neither SSH nor HTTP nor ZooKeeper"
run "$TAGOUT" init
expect_status 0
loaded "$TAGOUT" check --actor autoscaler service:mill
expect_status 0
expect_true "the loader was listened to" grep -q libsqlite3 "$tmp/loaded"
for lib in libssh libcurl libzookeeper tagout-zk tagout-ssh tagout-puppet tagout-http; do
    expect_true "$lib is not loaded" sh -c '! grep -q "$1" "$2"' sh "$lib" "$tmp/loaded"
done
loaded "$TAGOUT" doctor
for lib in libssh libcurl libzookeeper tagout-puppet.so; do
    expect_true "doctor, which looks at all modules, loads $lib" grep -q "$lib" "$tmp/loaded"
done

note "a module that is not there, or is none of ours"
run "$TAGOUT" check --store etcd://h1/tagout --actor autoscaler service:mill
expect_true "never GO" [ "$status" -ne 0 ]
expect_match 'cause=configuration detail=".*there is no module .{1,2}etcd'
printf 'rollout: x\nchange: {pupet: {manifest: /srv/p/site.pp}}\ntargets: "*"\nstages: [{name: all}]\n' >"$tmp/pupet.yaml"
echo 'hosts: {web1: }' >"$tmp/inventory.yaml"
run "$TAGOUT" --inventory "$tmp/inventory.yaml" plan "$tmp/pupet.yaml"
expect_status 65
expect_err 'pupet.yaml:2:10: there is no module "pupet"'
expect_err 'did you mean "puppet"?'
run "$TAGOUT" check --store ../x://h1/tagout --actor autoscaler service:mill
expect_true "never GO" [ "$status" -ne 0 ]

module() { # NAME C-TEXT
    printf '%s\n' "$2" >"$tmp/$1.c"
    cc -shared -fPIC -I"$TAGOUT_SOURCE/core/include" -o "$tmp/modules/tagout-$1.so" "$tmp/$1.c"
}
module strange 'int nothing;'
module old '#include <tagout/module.h>
const struct tg_module tagout_module = {.abi = TG_MODULE_ABI + 1, .name = "old"};'
module other '#include <tagout/module.h>
const struct tg_module tagout_module = {.abi = TG_MODULE_ABI, .name = "else"};'
module empty '#include <tagout/module.h>
const struct tg_module tagout_module = {.abi = TG_MODULE_ABI, .name = "empty"};'
echo 'no library' >"$tmp/modules/tagout-text.so"
export TAGOUT_MODULES=$tmp/modules
refused() { # SCHEME WHAT
    run "$TAGOUT" check --store "$1://h/t" --actor autoscaler service:mill
    expect_true "never GO" [ "$status" -ne 0 ]
    expect_match "cause=configuration .*$2"
}
refused strange "tagout-strange.so is no tagout module"
refused old "tagout-old.so speaks module ABI [0-9]+, this tagout speaks [0-9]+"
refused other 'tagout-other.so calls itself .{1,2}else'
refused empty 'empty.{1,2} has no store'
refused text 'text.{1,2} does not load: .*/tagout-text.so'

note "root loads nothing that somebody else can have put there"
if [ "$(id -u)" = 0 ]; then
    chmod 777 "$tmp/modules"
    refused other 'TAGOUT_MODULES: .*/modules: others may write to that folder'
    chmod 755 "$tmp/modules"
    chmod 666 "$tmp/modules/tagout-other.so"
    refused other 'TAGOUT_MODULES: .*tagout-other.so: others may write to it'
    chown 65534 "$tmp/modules/tagout-other.so"
    refused other 'TAGOUT_MODULES: .*tagout-other.so belongs to user 65534'
fi

note "a configuration that can't be read is an answer, too"
run "$TAGOUT" check --config "$tmp/none.yaml" --actor autoscaler service:mill
expect_status 69
expect_match 'TAGOUT-UNKNOWN .*cause=configuration'
run "$TAGOUT" exec --store "local:$tmp/none/store.db" --actor autoscaler service:mill -- true
expect_status 69
expect_match 'TAGOUT-UNKNOWN .*cause=not-initialised'
