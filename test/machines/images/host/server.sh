#!/bin/bash
# Starts a test server the way a machine boots: sshd, then Docker. Runs until it is told to stop.
#
#   DOCKER=off          no Docker on this server (a bastion, a plain machine)
#   STORE=containerd    images in containerd's store instead of overlay2
#   ROOT=FILE           what Docker's folder is filled with before its first start: an archive in /roots
#
# The lab puts host keys in /etc/ssh and authorized keys in place before the first start.
set -u

# The container has a cgroup namespace of its own, mounted read-only: Docker must write in it.
for place in /sys/fs/cgroup /sys/fs/cgroup/*/; do
  mountpoint -q "$place" && mount -o remount,bind,rw "$place"
done
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  # cgroup v2 hands controllers down only from a group without processes (cgroups(7), "no internal processes").
  mkdir -p /sys/fs/cgroup/init
  xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null
  sed -e 's/ / +/g' -e 's/^/+/' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
fi

mkdir -p /run/sshd
chmod 0755 /run/sshd
/usr/sbin/sshd -e 2>>/var/log/sshd.log

stop() {
  if [ -n "${docker:-}" ]; then kill -TERM "$docker"; wait "$docker"; fi
  exit 0
}
trap stop TERM INT

if [ "${DOCKER:-on}" = off ]; then
  mv /usr/bin/docker /usr/bin/docker.absent 2>/dev/null
else
  mkdir -p /etc/docker
  snapshotter=false
  [ "${STORE:-overlay2}" = containerd ] && snapshotter=true
  # A registry of the lab is reached without TLS.
  echo "{\"features\": {\"containerd-snapshotter\": $snapshotter}, \"insecure-registries\": [\"10.128.0.0/9\"]}" \
    >/etc/docker/daemon.json
  # What a crash leaves behind; on a real machine /run is empty after a boot.
  rm -rf /run/docker* /run/containerd /var/run/docker.pid
  if [ -n "${ROOT:-}" ] && [ -z "$(ls -A /var/lib/docker)" ]; then
    tar --xattrs --xattrs-include='*' -xf "/roots/$ROOT" -C /var/lib/docker || exit 1
  fi
  dockerd >>/var/log/dockerd.log 2>&1 &
  docker=$!
  while kill -0 "$docker" 2>/dev/null; do wait "$docker"; done
  touch /run/dockerd.ended
fi

while :; do sleep infinity & wait $!; done
