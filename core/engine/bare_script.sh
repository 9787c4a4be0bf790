# Runs on the host as root, by "sh -c"; see bare.h for what it promises. POSIX sh, coreutils, util-linux.
# $1 mode  $2 step  $3 run  $4 epoch  $5 seconds  $6 detached (1) or not (0)  $7 base  then FILE MAX pairs, "--", COMMAND…
# stdin: the nonce, NAME=VALUE lines, an empty line.
set -u
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/puppetlabs/bin:/opt/saltstack/salt
HOME=/root LANG=C.UTF-8 LC_ALL=C.UTF-8
export PATH HOME LANG LC_ALL
unset SSH_ORIGINAL_COMMAND SUDO_COMMAND MAIL LD_PRELOAD LD_LIBRARY_PATH ENV BASH_ENV CDPATH 2>/dev/null
mode=$1 step=$2 run=$3 epoch=$4 seconds=$5 detached=$6 base=$7
shift 7
IFS= read -r nonce || exit 3
while IFS= read -r line && [ -n "$line" ]; do
    # shellcheck disable=SC2163 # the variable is the one that the line names
    case $line in [A-Z_]*=*) export "$line" ;; esac
done
now() {
    t=$(date +%s%3N)
    case $t in *[!0-9]*) t=$(date +%s)000 ;; esac
    echo "$t"
}
say() { printf 'tagout-bare 1 %s\nstate %s\nend %s\n' "$nonce" "$1" "$nonce"; exit 0; }
# A folder that can be read and has no record of the step: it has not begun, and won't. Else nobody knows.
broken() {
    printf '%s\n' "$1" >&2
    if [ "$mode" = start ] && [ ! -e "$base/$step/lock" ]; then
        for parent in "$base" "${base%/*}" "${base%/*/*}"; do
            if ls "$parent/" >/dev/null 2>&1; then say refused; fi
        done
    fi
    exit 4
}
writable() { true >>"$1"; } 2>/dev/null # asked first: an exec whose redirection fails ends the shell
for tool in flock setsid timeout stat; do
    command -v "$tool" >/dev/null 2>&1 || broken "tagout: the host has no $tool (coreutils, util-linux)"
done

# P6: the highest epoch of a run that this host has seen
mkdir -p "$base" || broken "tagout: $base can't be made (a full disk?)"
if [ "$epoch" -gt 0 ]; then
    writable "$base/.epoch.$run" || broken "tagout: $base can't be written (a full disk?)"
    exec 7>>"$base/.epoch.$run"
    flock 7
    seen=$(cat "$base/.epoch.$run")
    case $seen in '' | *[!0-9]*) seen=0 ;; esac
    [ "$epoch" -lt "$seen" ] && say fenced
    if [ "$epoch" -gt "$seen" ]; then
        { printf '%s\n' "$epoch" >"$base/.epoch.$run.new" && mv "$base/.epoch.$run.new" "$base/.epoch.$run"; } || broken "tagout: $base can't be written (a full disk?)"
    fi
    exec 7>&-
fi

if [ "$detached" = 1 ]; then
    d=$base/$step
    [ "$mode" = look ] && [ ! -d "$d" ] && say absent
    [ "$mode" = forget ] && [ ! -d "$d" ] && say absent
    find "$base" -mindepth 1 -maxdepth 1 ! -name '.epoch.*' -mtime +30 -exec rm -rf {} + 2>/dev/null
    mkdir -p "$d" || broken "tagout: $d can't be made (a full disk?)"
else
    d=$(mktemp -d "$base/.once.XXXXXX") || broken "tagout: $base can't be written (a full disk?)"
    # what is only asked ends with who asks: nobody would read the answer
    supervisor=
    # shellcheck disable=SC2154 # set in the trap
    trap '[ -z "$supervisor" ] || kill -TERM "$supervisor" 2>/dev/null; rm -rf "$d"' EXIT
    trap 'exit 5' HUP INT TERM PIPE
fi

# Whoever holds the lock is the step's supervisor. It holds it from before the beginning until the status is on the disk.
writable "$d/lock" || broken "tagout: $d can't be written (a full disk?)"
exec 9>>"$d/lock"
if flock -n 9; then
    if [ -f "$d/status" ]; then
        if [ "$mode" = forget ]; then
            rm -rf "$d"
            say absent
        fi
    elif [ -f "$d/started" ]; then
        say interrupted
    elif [ "$mode" != start ]; then
        say absent
    else
        files=0
        rm -f "$d/files.new"
        while [ "$1" != -- ]; do
            files=$((files + 1))
            printf '%s\n%s\n' "$1" "$2" >>"$d/files.new"
            shift 2
        done
        shift
        # shellcheck disable=SC2016
        supervise='d=$1 seconds=$2 detached=$3 tool=; shift 3
            now() { t=$(date +%s%3N); case $t in *[!0-9]*) t=$(date +%s)000 ;; esac; echo "$t"; }
            now >"$d/started.new" && [ -s "$d/started.new" ] || exit 1
            sync "$d/started.new" 2>/dev/null; mv "$d/started.new" "$d/started" || exit 1
            [ "$seconds" -eq 0 ] || set -- timeout -k 30 "$seconds" "$@"
            if [ "$detached" = 1 ]; then
                "$@" >"$d/out" 2>"$d/err" </dev/null 9>&-
            else
                trap "kill -TERM \$tool 2>/dev/null; exit 143" TERM
                "$@" >"$d/out" 2>"$d/err" </dev/null 9>&- &
                tool=$!
                wait $tool
            fi
            rc=$?
            now >"$d/ended"
            printf "%s\n" "$rc" >"$d/status.new" && sync "$d/status.new" 2>/dev/null; mv "$d/status.new" "$d/status"'
        if [ "$files" -gt 0 ]; then mv "$d/files.new" "$d/files"; fi
        setsid sh -c "$supervise" tagout-step "$d" "$seconds" "$detached" "$@" >/dev/null 2>&1 </dev/null &
        supervisor=$!
    fi
elif [ "$mode" = look ] || [ "$mode" = forget ]; then
    say running
fi

# A lock of our own description, so that we wait for the supervisor and not for ourselves.
exec 9>&- 8>>"$d/lock"
while ! flock -w 5 8; do
    echo tagout-wait || exit 5
done
if [ ! -f "$d/started" ] && [ "$mode" = start ]; then # its supervisor gave up before the beginning, and we have the lock
    printf '%s\n' "tagout: $d can't be written (a full disk?)" >&2
    say refused
fi
[ -f "$d/status" ] || say interrupted

part() { # name file max
    n=$(wc -c <"$2") cut=0
    if [ "$n" -gt "$3" ]; then n=$3 cut=1; fi
    printf '%s %s %s\n' "$1" $((n)) $cut
    if [ "$1" = file ]; then head -c "$n" "$2"; else tail -c "$n" "$2"; fi
    echo
}
printf 'tagout-bare 1 %s\nstate exited\nstatus %s\nstarted %s\nended %s\n' "$nonce" "$(cat "$d/status")" "$(cat "$d/started")" "$(cat "$d/ended")"
part out "$d/out" 2097152
part err "$d/err" 262144
if [ -f "$d/files" ]; then
    start=$(cat "$d/started")
    start=$((start / 1000))
    while IFS= read -r path && IFS= read -r max; do
        changed=$(stat -c %Y "$path" 2>/dev/null) || continue
        [ "$changed" -ge "$start" ] || continue
        printf 'path %s000 %s\n' "$changed" "$path"
        cp "$path" "$d/copy" && part file "$d/copy" "$max"
    done <"$d/files"
    rm -f "$d/copy"
fi
printf 'end %s\n' "$nonce"
