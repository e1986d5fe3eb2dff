/**
 * Shell scripts that run inside the proxy container by `docker exec`. Plain POSIX sh with the tools that both busybox
 * and Debian have. All values arrive as environment variables, never as parts of the text.
 */
import { CONF_DIRECTORY, MARKER_PORT } from './conf';

/**
 * Waits have limits by time, not by tries: on a host that is short of it a try may take seconds. `now` prints the seconds
 * since the host was started, which no setting of a clock changes (proc(5)); `within SECONDS BEGIN` is true that long.
 */
const TIME_FUNCTIONS = `
now() { read -r up idle < /proc/uptime; echo "\${up%.*}"; }
within() { [ $(($(now) - $2)) -lt "$1" ]; }
`;

/**
 * Functions shared by the scripts.
 *
 * `master` sets `m` to the process id of nginx's master, `workers active|leaving` prints the ids of its workers by their
 * title: nginx renames a worker to "worker process is shutting down" when a newer generation has taken over. Both read
 * /proc with what the shell has built in: a host of many cores has a worker for each of them, and a program for each
 * worker would be slow. `ask HOST` asks the running workers for their slot; it prints nothing when the image has neither curl nor
 * wget.
 */
const FUNCTIONS = `${TIME_FUNCTIONS}
title() { t=; { read -r t < "$1/cmdline"; } 2>/dev/null; }
master() {
  for p in /proc/[0-9]*; do
    title "$p"
    case "$t" in "nginx: master process"*) m=\${p#/proc/}; return 0;; esac
  done
  return 1
}
workers() {
  master || return 0
  for p in /proc/[0-9]*; do
    title "$p"
    case "$t" in
      "nginx: worker process is shutting down"*) kind=leaving;;
      "nginx: worker process"*) kind=active;;
      *) continue;;
    esac
    [ "$kind" = "$1" ] || continue
    parent=
    { read -r pid name state parent rest < "$p/stat"; } 2>/dev/null
    [ "$parent" = "$m" ] && echo "\${p#/proc/}"
  done
  return 0
}
ask() {
  if command -v curl >/dev/null 2>&1; then
    curl -s -m 2 -H "Host: $1" http://127.0.0.1:${MARKER_PORT}/ 2>/dev/null
  elif command -v wget >/dev/null 2>&1; then
    wget -q -T 2 -O - --header "Host: $1" http://127.0.0.1:${MARKER_PORT}/ 2>/dev/null
  fi
}
can_ask() { command -v curl >/dev/null 2>&1 || command -v wget >/dev/null 2>&1; }
`;

/** `part NAME ARGUMENT` begins a part of the output with a line that no file can hold by chance. In: BG_MARK. */
const PART_FUNCTION = `
part() { printf '\\n%s %s\\n' "$BG_MARK" "$*"; }
`;

/** In: BG_HOSTS (marker host names, space separated). */
const LOOK = `
part version; nginx -v 2>&1
part client; if command -v curl >/dev/null 2>&1; then echo curl; elif command -v wget >/dev/null 2>&1; then echo wget; fi
part active; workers active
part leaving; workers leaving
for f in ${CONF_DIRECTORY}/*.conf; do
  [ -f "$f" ] && { part conf "$f"; cat "$f"; }
done
for f in ${CONF_DIRECTORY}/*@*; do
  [ -f "$f" ] && { part route "$f"; cat "$f"; }
done
part bucket; grep -rls '^[[:space:]]*server_names_hash_bucket_size' /etc/nginx
for h in $BG_HOSTS; do part answer "$h"; ask "$h"; done
part end
exit 0
`;

/** Prints what the proxy is and serves, in parts. In: BG_MARK, BG_HOSTS. */
export const LOOK_SCRIPT = `${FUNCTIONS}${PART_FUNCTION}${LOOK}`;

/**
 * What a switch left whose container was stopped in the middle. `settled` waits up to $1 seconds for switches under way,
 * and sets `state`: quiet (none is, and none begins while this script runs), busy, or unknown where the image
 * has no flock. `left_files` prints the temporary files beside files of ours, and only those: the proxy may hold files of
 * others that end so. `left_copies` prints working copies; where it is unknown whether a switch is under way, those that
 * are older than one takes.
 */
const LEFT_FUNCTIONS = `
settled() {
  state=unknown
  command -v flock >/dev/null 2>&1 || return 0
  exec 9</etc/nginx
  state=quiet
  begin=$(now)
  until flock -n 9; do
    within "$1" "$begin" || { state=busy; return 0; }
    sleep 0.1
  done
}
left_files() {
  for f in ${CONF_DIRECTORY}/*.candidate ${CONF_DIRECTORY}/*.previous; do
    [ -f "$f" ] || continue
    file=\${f%.candidate}; file=\${file%.previous}
    { [ ! -s "$f" ] || cat "$f" "$file" "$file.candidate" 2>/dev/null | grep -q '^# Blue-Green: '; } && echo "$f"
  done
}
left_copies() {
  if [ "$state" = quiet ]; then find /tmp -maxdepth 1 -name 'blue-green.*'
  else find /tmp -maxdepth 1 -name 'blue-green.*' -mmin +1; fi
}
`;

/**
 * Prints what only a status asks for, in parts: what nginx says against its files on disk (nothing when it takes them),
 * what an interrupted switch left, and the free kilobytes of the disk. In: BG_MARK.
 */
export const EXAMINE_SCRIPT = `${TIME_FUNCTIONS}${PART_FUNCTION}${LEFT_FUNCTIONS}
said=$(nginx -t 2>&1) || { part refusal; printf '%s\\n' "$said" | grep -F '[emerg]' || printf '%s\\n' "$said"; }
settled 0
part left; [ "$state" = busy ] || { left_files; left_copies; }
part free; df -Pk ${CONF_DIRECTORY} 2>/dev/null | awk 'NR == 2 { print $4 }'
part end
exit 0
`;

/**
 * Removes what EXAMINE_SCRIPT finds left, once no switch is under way (also one goes on whose deployment was killed), and
 * looks then as LOOK_SCRIPT does.
 * In: BG_MARK, BG_HOSTS, BG_WAIT (seconds to wait for it), BG_CONF (the file of the caller's service, whose lock it holds:
 * where the image has no flock, nothing else is touched).
 * Out: the parts of a look, or the part \`busy\` alone when it did not end, and nothing was touched.
 */
export const CLEAN_SCRIPT = `${FUNCTIONS}${PART_FUNCTION}${LEFT_FUNCTIONS}
settled "$BG_WAIT"
[ "$state" != busy ] || { part busy; part end; exit 0; }
if [ "$state" = quiet ]; then
  files=$(left_files)
  printf '%s\\n' "$files" | while read -r f; do rm -f "$f"; done
else
  rm -f "$BG_CONF.candidate" "$BG_CONF.previous" "\${BG_CONF%.conf}"@*.candidate "\${BG_CONF%.conf}"@*.previous
fi
left_copies | while read -r f; do rm -rf "$f"; done
${LOOK}`;

/** Exits 0 once nginx's master runs and has at least one worker, 1 when that takes longer than BG_LIMIT seconds. */
export const READY_SCRIPT = `${FUNCTIONS}
begin=$(now)
while within "$BG_LIMIT" "$begin"; do
  [ -n "$(workers active)" ] && exit 0
  sleep 0.1
done
exit 1
`;

/**
 * The whole switch in one go: it runs to its end even when the connection that began it is gone.
 *
 * 0. Switches of other services wait: each one's proof is about its own reload. The kernel frees the lock with its owner.
 * 1. The candidates are tested inside a copy of the whole configuration; a refusal touches nothing.
 * 2. They are moved in by renames, so that nginx never reads half a file. Their order is the caller's: nginx can start
 *    between any two of them.
 * 3. nginx's master is told to reload (SIGHUP, "Controlling nginx"). \`nginx -s reload\` and its exit code are not used:
 *    it needs a pid file, and answers 0 also when the new configuration cannot be taken over.
 * 4. Proof: all active workers are new ones, and where curl or wget is there they name the new slot themselves.
 * 5. Without proof the previous files go back, nginx is reloaded again and that is proven too: by new workers, or, where
 *    nginx could not reload at all, by the workers of before, which have never read anything else.
 *
 * What it was told by somebody who has died since must not happen when others are at work: a switch that has not come to
 * step 2 in BG_WITHIN seconds touches nothing.
 *
 * In: BG_FILES (how many files), BG_PATH_1 …, BG_TEXT_1 … (the file's text; empty = take the file away), BG_SERVICE, BG_HOST
 * (its marker host name), BG_EXPECT (the marker's answer; empty when there is to be none), BG_LIMIT (seconds for each
 * proof), BG_WITHIN.
 * Out: what nginx said, then one line \`verdict WORD\` with switched, refused, reverted, unwritten, busy or broken.
 */
export const SWITCH_SCRIPT = `${FUNCTIONS}
verdict() { printf '\\nverdict %s\\n' "$1"; exit 0; }
dir=/etc/nginx
begin=$(now)
if command -v flock >/dev/null 2>&1; then
  exec 9<"$dir"
  until flock -n 9; do
    within "$BG_WITHIN" "$begin" || verdict busy
    sleep 0.1
  done
fi
# Runs "$@" for each file, in their order or from the last to the first, with its path and text in variables.
each() {
  step=$1; shift
  if [ "$step" -gt 0 ]; then i=1; else i=$BG_FILES; fi
  while [ "$i" -ge 1 ] && [ "$i" -le "$BG_FILES" ]; do
    eval "path=\\$BG_PATH_$i text=\\$BG_TEXT_$i"
    "$@" || return 1
    i=$((i + step))
  done
}

work=$(mktemp -d /tmp/blue-green.XXXXXX) || verdict unwritten
trap 'rm -rf "$work"' EXIT
cp -R "$dir/." "$work/" || verdict unwritten
# A server is not taken away while another service has locations in it: that one may have come since the caller looked.
is_shared() {
  host=\${path#"$dir/conf.d/~"}
  [ -z "$text" ] && [ "$host" != "$path" ] || return 1
  for f in "$dir"/conf.d/*@"\${host%.conf}.location"; do
    case "$f" in "$dir/conf.d/$BG_SERVICE@"*) ;; *) [ ! -f "$f" ] || return 0;; esac
  done
  return 1
}
# Removed first: a link would lead out of the copy.
copy() {
  ! is_shared || return 0
  rm -f "$work\${path#"$dir"}"
  [ -z "$text" ] || printf '%s' "$text" > "$work\${path#"$dir"}"
}
each 1 copy || verdict unwritten
find "$work" -type f ! -name '*.pem' ! -name '*.key' ! -name '*.crt' -exec sed -i "s#$dir/#$work/#g" {} + || verdict unwritten
tested=$(nginx -T -c "$work/nginx.conf" 2>&1)
if [ $? -ne 0 ]; then
  printf '%s\\n' "$tested" | grep -E '\\[(emerg|alert|crit)\\]' | sed "s#$work/#$dir/#g; s#^.*\\[\\(emerg\\|alert\\|crit\\)\\][^:]*[0-9]: ##" | sort -u
  verdict refused
fi
# Of the other files it depends on the service's neighbours which of them are included.
is_read() {
  case "$path" in *.conf) [ -n "$text" ] || return 0;; *) return 0;; esac
  printf '%s\\n' "$tested" | grep -qF "# configuration file $work\${path#"$dir"}:" && return 0
  echo "nginx does not read $path: $dir/nginx.conf includes other files."
  return 1
}
each 1 is_read || verdict refused

active() { workers active | tr '\\n' ' '; }
# Waits until all active workers are others than those in $1, and answer $2 where that is not empty.
proven() {
  since=$(now)
  while within "$BG_LIMIT" "$since"; do
    fresh=
    for w in $(active); do
      case " $1" in *" $w "*) fresh=; break;; esac
      fresh=yes
    done
    if [ -n "$fresh" ]; then
      if [ -z "$2" ] || ! can_ask; then return 0; fi
      [ "$(ask "$BG_HOST")" = "$2" ] && return 0
    fi
    sleep 0.1
  done
  return 1
}

master || { echo "nginx does not run in the proxy."; verdict unwritten; }
write() {
  [ -z "$text" ] || printf '%s' "$text" > "$path.candidate" || return 1
  [ ! -f "$path" ] || cp -p "$path" "$path.previous"
}
forget() { rm -f "$path.candidate" "$path.previous"; }
put() {
  ! is_shared || return 0
  if [ -n "$text" ]; then mv -f "$path.candidate" "$path"; else rm -f "$path"; fi
}
put_back() {
  if [ -f "$path.previous" ]; then mv -f "$path.previous" "$path"; else rm -f "$path"; fi
}
each 1 write || { each 1 forget; verdict unwritten; }
before=$(active)
within "$BG_WITHIN" "$begin" || { each 1 forget; echo "The host is too slow."; verdict busy; }
each 1 put || { each -1 put_back; each 1 forget; verdict unwritten; }
kill -HUP "$m"
if proven "$before" "$BG_EXPECT"; then
  each 1 forget
  verdict switched
fi
tried=$(active)
each -1 put_back
each 1 forget
kill -HUP "$m"
if proven "$tried" "" || [ "$(active)" = "$before" ]; then verdict reverted; fi
verdict broken
`;

/**
 * Prints \`leaving N\` (workers that are shutting down) and \`connections N\` (established connections from the proxy to
 * the old slot, whatever its port: the address is its own), as soon as both are 0, or else after a while: to begin a
 * program in a container costs the host many times what a look costs that is repeated inside.
 * In: BG_PEER, the address as /proc/net/tcp writes it (hexadecimal, proc(5)); BG_LOOKS, how many looks there may be;
 * BG_EVERY, the seconds between two of them.
 */
export const DRAIN_SCRIPT = `${FUNCTIONS}
while :; do
  leaving=0; for w in $(workers leaving); do leaving=$((leaving + 1)); done
  connections=$(awk -v peer="$BG_PEER:" 'index($3, peer) == 1 && $4 == "01" { n++ } END { print n + 0 }' /proc/net/tcp 2>/dev/null)
  BG_LOOKS=$((BG_LOOKS - 1))
  [ "$leaving \${connections:-0}" != "0 0" ] && [ "$BG_LOOKS" -gt 0 ] || break
  sleep "$BG_EVERY"
done
echo "leaving $leaving"
echo "connections \${connections:-0}"
`;
