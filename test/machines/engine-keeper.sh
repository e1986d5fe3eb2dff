#!/bin/sh
# Stops the lab's private Docker engine when its last user is gone.
#
#   engine-keeper.sh DIRECTORY USER-PID
#
# Standard input is a pipe held open by the user, a process of the lab: it closes whatever way that
# process ends, SIGKILL included. Files in DIRECTORY/users are named after the users' process ids and
# hold each one's start time, so that a later process with the same id is not taken for it.
set -u
directory=$1 user=$2

cat >/dev/null
exec 9>"$directory/engine.lock"
flock -x 9

rm -f "$directory/users/$user"
for file in "$directory"/users/*; do
  [ -e "$file" ] || continue
  start=$(sed 's/.*) //' "/proc/${file##*/}/stat" 2>/dev/null | cut -d ' ' -f 20)
  [ -n "$start" ] && [ "$start" = "$(cat "$file")" ] && exit 0
  rm -f "$file"
done

pid=$(cat "$directory/pid" 2>/dev/null) || exit 0
case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in
  *dockerd*"$directory/data"*) ;;
  *) exit 0 ;;
esac
kill -TERM "$pid"
# dockerd stops containers first, and gives them 15 s at most (--shutdown-timeout).
waited=0
while kill -0 "$pid" 2>/dev/null; do
  sleep 0.1
  waited=$((waited + 1))
  [ "$waited" -eq 400 ] && kill -KILL "$pid"
done

# The bridge that it made for itself, unless another engine of this machine uses it by now.
if [ -e "$directory/made-bridge" ] && ! grep -qsx dockerd /proc/[0-9]*/comm; then
  PATH=$PATH:/usr/sbin:/sbin
  ip link delete docker0 && rm -f "$directory/made-bridge"
fi
