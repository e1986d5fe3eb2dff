import type Docker from 'dockerode';
import { buffer } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import { pack, type Pack } from 'tar-stream';
import { lastLines, type Outcome } from './command';
import type { Engine } from './engine';
import { execInContainer } from './execInContainer';
import { hostImage, type DockerVersion } from './images';
import type { KeyPair } from './keys';

/** What a test server is to be like. */
export interface HostOptions {
  /** Docker's version on it. Default: 28.5. */
  readonly engine?: DockerVersion;
  /** Its name and ssh alias. Default: `prod-2010`, `prod-26` or `prod-28`, after the version. */
  readonly name?: string;
  /** False for a machine with sshd alone. */
  readonly docker?: boolean;
  /** Where Docker keeps images. Default: containerd's store on 28.5, overlay2 on the others. */
  readonly store?: 'overlay2' | 'containerd';
  /** Whether its Docker has the images of the proxy and of the example apps from the beginning. */
  readonly prepared?: boolean;
  /**
   * The disk that Docker lies on. Default: one in memory, which a restart of the host empties, of this size where one is
   * given; such a host has room for what its Go programs leave behind, too, and they need a sixth less of the processor.
   * One that is `lasting` is the machine's own, and everything is as on a real host: what is measured runs there.
   */
  readonly disk?: 'lasting' | `${number}m`;
}

/** What the lab has laid out for a host before it starts. */
export interface HostPlace {
  readonly name: string;
  /** The container's name. */
  readonly container: string;
  readonly network: string;
  readonly networkAddress: string;
  /** Ports of 127.0.0.1 that lead to the host, where its own address cannot be reached. */
  readonly published?: { readonly ssh: number; readonly http: number; readonly https: number };
  readonly labels: Record<string, string>;
  readonly hostKeys: { readonly ed25519: KeyPair; readonly ecdsa: KeyPair };
  readonly authorizedKey: string;
  readonly password: string;
  readonly identityFile: string;
  readonly knownHostsFile: string;
  readonly sshConfigFile: string;
  /** Folder of saved images, /saved on the host. */
  readonly savedFolder: string;
  /** Folder of what Docker's own folder may be filled with at the first start, /roots on the host. */
  readonly rootsFolder: string;
  /** The one of this host. */
  readonly root?: string;
  /** Sees to it that an image lies in that folder under a name. */
  readonly saved: (image: string, file: string) => Promise<void>;
}

const readyLimitSeconds = 60;
const rebootLimitSeconds = 30;

/** A production server: a container with sshd and a Docker engine of its own. */
export class Host {
  /** Its name, its hostname, and its alias in the lab's ssh config. */
  readonly name: string;
  /** Where it is reached: the same over restarts. */
  readonly address: string;
  readonly sshPort: number;
  /** Where its port 80 is reached: `http://ADDRESS[:PORT]`. */
  readonly url: string;
  /** Where its port 443 is reached, at its address. */
  readonly tlsPort: number;
  /** May use Docker. Others who can log in: `root`, and `nodocker`, who may not. */
  readonly user = 'deploy';
  /** Password of `deploy`, for tests of that way in. */
  readonly password: string;
  /** Public host key that known_hosts names, `TYPE BASE64`. sshd has an ecdsa key besides. */
  readonly hostKey: string;
  readonly identityFile: string;
  readonly knownHostsFile: string;
  readonly sshConfigFile: string;

  private constructor(
    private readonly container: Docker.Container,
    private readonly engine: Engine,
    private readonly place: HostPlace,
    readonly hasDocker: boolean,
    private readonly isLasting: boolean,
    private readonly onRemoved: () => void,
  ) {
    const { published } = place;
    this.name = place.name;
    this.address = published === undefined ? place.networkAddress : '127.0.0.1';
    this.sshPort = published?.ssh ?? 22;
    this.tlsPort = published?.https ?? 443;
    this.url = published === undefined ? `http://${this.address}` : `http://${this.address}:${String(published.http)}`;
    this.password = place.password;
    this.hostKey = place.hostKeys.ed25519.publicKey;
    this.identityFile = place.identityFile;
    this.knownHostsFile = place.knownHostsFile;
    this.sshConfigFile = place.sshConfigFile;
  }

  /**
   * Creates the container, puts the keys in place, starts it, and waits until it can be logged in to. Docker is ready a
   * little later: {@link dockerReady}.
   */
  static async start(engine: Engine, place: HostPlace, options: HostOptions, onRemoved: () => void): Promise<Host> {
    const version = options.engine ?? newestVersion;
    const hasDocker = options.docker ?? true;
    // (The types of dockerode lack CgroupnsMode.)
    const description: Docker.ContainerCreateOptions & { HostConfig: { CgroupnsMode: 'private' } } = {
      name: place.container,
      Hostname: place.name,
      Image: hostImage(version),
      Labels: place.labels,
      ExposedPorts: { '443/tcp': {} },
      Env: [
        `DOCKER=${hasDocker ? 'on' : 'off'}`,
        `STORE=${storeOf(options)}`,
        `ROOT=${place.root ?? ''}`,
        ...(options.disk === 'lasting' ? [] : ['GOGC=400']),
      ],
      StopTimeout: rebootLimitSeconds,
      HostConfig: {
        // As --privileged, less CAP_SYS_RESOURCE, which a sandboxed machine may not have to give.
        CapAdd: ['ALL'],
        CapDrop: ['SYS_RESOURCE'],
        SecurityOpt: ['seccomp=unconfined', 'apparmor=unconfined'],
        MaskedPaths: [],
        ReadonlyPaths: [],
        DeviceCgroupRules: ['a *:* rwm'],
        // The groups of its containers lie below its own group, and go with it.
        CgroupnsMode: 'private',
        Tmpfs: { '/run': '', ...dockerDisk(options) },
        Binds: [`${place.savedFolder}:/saved:ro`, `${place.rootsFolder}:/roots`],
        PortBindings: portBindings(place),
      },
      NetworkingConfig: { EndpointsConfig: { [place.network]: endpoint(place) } },
    };
    const container = await engine.docker.createContainer(description);
    const isLasting = !hasDocker || options.disk === 'lasting';
    const host = new Host(container, engine, place, hasDocker, isLasting, onRemoved);
    await container.putArchive(await buffer(keyFiles(place)), { path: '/' });
    await container.start();
    const settle = 'chpasswd && for user in deploy nodocker; do chown -R $user: /home/$user; done';
    await host.mustExec(settle, `deploy:${place.password}\n`);
    await host.sshReady();
    return host;
  }

  /** Waits until sshd listens. */
  private async sshReady(): Promise<void> {
    const wait = 'until (: </dev/tcp/127.0.0.1/22) 2>/dev/null; do sleep 0.05; done';
    await this.mustExec(['timeout', String(readyLimitSeconds), 'bash', '-c', wait]);
  }

  /** Runs a program on the host as root, not by way of ssh. A string is run by `sh`. */
  exec(command: string | readonly string[], input?: string | NodeJS.ReadableStream): Promise<Outcome> {
    const argv = typeof command === 'string' ? ['sh', '-c', command] : command;
    return execInContainer(this.container, argv, input);
  }

  /** As {@link exec}; a non-zero exit is an error. Returns what the program wrote. */
  async mustExec(command: string | readonly string[], input?: string | NodeJS.ReadableStream): Promise<string> {
    const { code, stdout, stderr } = await this.exec(command, input);
    if (code !== 0) {
      const shown = typeof command === 'string' ? command : command.join(' ');
      throw new Error(
        `${this.name}: ${shown} ended with ${String(code)}:\n${lastLines(stderr.trim() === '' ? stdout : stderr, 15)}`,
      );
    }
    return stdout;
  }

  /** Waits until the host's Docker answers. Rejects with dockerd's last lines when it ends, or after a minute. */
  async dockerReady(): Promise<this> {
    if (!this.hasDocker) throw new Error(`${this.name} is a machine without Docker.`);
    const ping = 'curl -fs -m 5 --unix-socket /var/run/docker.sock http://docker/_ping';
    const wait = `until ${ping} >/dev/null 2>&1; do [ ! -e /run/dockerd.ended ] || exit 3; sleep 0.05; done`;
    const { code } = await this.exec(['timeout', String(readyLimitSeconds), 'bash', '-c', wait]);
    if (code === 0) return this;
    const { stdout } = await this.exec('tail -n 15 /var/log/dockerd.log');
    const why = code === 3 ? 'ended' : `gave no answer in ${String(readyLimitSeconds)} s`;
    throw new Error(`${this.name}: its dockerd ${why}. Its last lines:\n${stdout}`);
  }

  /** Gives the host an image of the local engine, under the same name, unless it has it already. */
  async load(image: string): Promise<void> {
    const { Id: id, RootFS: rootFs, Created: created } = await this.engine.docker.getImage(image).inspect();
    const there = await this.exec(['docker', 'image', 'inspect', image]);
    if (there.code === 0) {
      // (The id says nothing: with containerd's store it is the manifest's, not the configuration's.)
      const [found] = JSON.parse(there.stdout) as Pick<Docker.ImageInspectInfo, 'RootFS' | 'Created'>[];
      if (found?.Created === created && isDeepStrictEqual(found.RootFS.Layers, rootFs.Layers)) return;
    }
    const file = `${image.replaceAll(/[^\w.-]/g, '_')}-${id.replace(/^sha256:/, '').slice(0, 16)}.tar`;
    await this.place.saved(image, file);
    await this.mustExec(['docker', 'load', '--quiet', '--input', `/saved/${file}`]);
  }

  /** Ends Docker for good, and saves what images it has under a name in the folder of such. */
  async saveDockerRoot(name: string): Promise<void> {
    const script = `
      ${endDockerScript}
      cd /var/lib/docker
      tar --xattrs --xattrs-include='*' -cf "/roots/$1.new" $(ls -d image overlay2 containerd 2>/dev/null)
      mv "/roots/$1.new" "/roots/$1"`;
    await this.mustExec(['bash', '-ec', script, 'save', name]);
  }

  /**
   * Takes everything off the host's Docker, so that tests can share hosts: containers, networks, volumes,
   * build cache, and all images but those named in `keepImages`.
   */
  async fresh(keepImages: readonly string[] = []): Promise<void> {
    await this.mustExec(['bash', '-c', freshScript, 'fresh', ...keepImages]);
  }

  /** Fills the disk that Docker lies on until this much is left. Only for a host with a `disk` of its own. */
  async fillDisk(leaveBytes: number): Promise<void> {
    const free = Number(await this.mustExec('df --output=avail -B1 /var/lib/docker | tail -n 1'));
    // Whoever else writes at this moment takes some of it: the last of a disk that is to be full is taken as it comes.
    const atOnce = free - (leaveBytes === 0 ? 64_000_000 : leaveBytes);
    if (atOnce > 0) await this.mustExec(['fallocate', '-l', String(atOnce), '/var/lib/docker/ballast']);
    if (leaveBytes === 0) await this.exec('cat /dev/zero >>/var/lib/docker/ballast');
  }

  /** Gives back what {@link fillDisk} took. */
  async freeDisk(): Promise<void> {
    await this.mustExec(['rm', '-f', '/var/lib/docker/ballast']);
  }

  /** Where the machine's own view of something is found from outside, by root on Linux, as long as it runs (proc(5)). */
  async proc(what: 'root' | 'ns/net'): Promise<string> {
    const { State } = await this.container.inspect();
    return `/proc/${String(State.Pid)}/${what}`;
  }

  /** Freezes the machine: connections stay open and nothing answers. */
  async pause(): Promise<void> {
    await this.container.pause();
  }

  async unpause(): Promise<void> {
    await this.container.unpause();
  }

  /** Pulls the network plug: packets go nowhere, the machine runs on. */
  async disconnect(): Promise<void> {
    await this.engine.docker.getNetwork(this.place.network).disconnect({ Container: this.container.id, Force: true });
  }

  async connect(): Promise<void> {
    await this.engine.docker
      .getNetwork(this.place.network)
      .connect({ Container: this.container.id, EndpointConfig: endpoint(this.place) });
  }

  /** Boots the machine anew: in order, or as after a power cut. Wait for {@link dockerReady} afterwards. */
  async restart(how: 'reboot' | 'power cut' = 'reboot'): Promise<void> {
    if (!this.isLasting) throw new Error(`${this.name} would lose all it has: give it a disk that is lasting.`);
    if (how === 'power cut') await this.container.kill();
    else await this.container.stop({ t: rebootLimitSeconds });
    await this.container.start();
    await this.sshReady();
  }

  /** Ends dockerd in order, and with it all containers, and starts it anew. Returns when it answers. */
  async restartDocker(): Promise<void> {
    // The machine's own start script waits for its dockerd only; this one is a child of nobody.
    const script = `
      ${endDockerScript}
      # The start script notices the end of its own one a little later, and says so in this file.
      for try in $(seq 20); do [ -e /run/dockerd.ended ] && break; sleep 0.05; done
      rm -f /run/dockerd.ended
      setsid dockerd >>/var/log/dockerd.log 2>&1 </dev/null &`;
    await this.mustExec(['bash', '-c', script]);
    await this.dockerReady();
  }

  /** Removes the machine and its disks. */
  async remove(): Promise<void> {
    await this.container.remove({ force: true, v: true });
    this.onRemoved();
  }
}

/** The newest, which keeps images in containerd's store. */
export const newestVersion: DockerVersion = '28.5';

/** Where a host's Docker keeps its images. */
export function storeOf({ engine = newestVersion, store }: HostOptions): 'overlay2' | 'containerd' {
  return store ?? (engine === newestVersion ? 'containerd' : 'overlay2');
}

function dockerDisk({ disk }: HostOptions): Record<string, string> {
  return disk === 'lasting' ? {} : { '/var/lib/docker': disk === undefined ? '' : `size=${disk}` };
}

const endDockerScript = `
pid=$(cat /var/run/docker.pid); kill -TERM "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done`;

const freshScript = `
set -e
containers=$(docker ps -aq)
[ -z "$containers" ] || docker rm -f -v $containers
networks=$(docker network ls -q --filter type=custom)
[ -z "$networks" ] || docker network rm $networks
volumes=$(docker volume ls -q)
[ -z "$volumes" ] || docker volume rm -f $volumes
images=$(docker image ls --all --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | while read -r name id; do
  case " $* " in *" $name "*) ;; *) case $name in *'<none>'*) echo "$id" ;; *) echo "$name" ;; esac ;; esac
done)
# (Nameless ones that a kept image is made from cannot go, and need not.)
[ -z "$images" ] || docker rmi -f $images || true
docker builder prune -a -f
`;

function endpoint(place: HostPlace): Docker.EndpointSettings {
  return {
    IPAMConfig: { IPv4Address: place.networkAddress },
    Aliases: [`${place.name}.internal`],
  };
}

function portBindings({ published }: HostPlace): Docker.PortMap {
  if (published === undefined) return {};
  const onLoopback = (port: number): Docker.PortBinding[] => [{ HostIp: '127.0.0.1', HostPort: String(port) }];
  const { ssh, http, https } = published;
  return { '22/tcp': onLoopback(ssh), '80/tcp': onLoopback(http), '443/tcp': onLoopback(https) };
}

function keyFiles({ hostKeys, authorizedKey }: HostPlace): Pack {
  const files = pack();
  for (const [type, key] of Object.entries(hostKeys)) {
    files.entry({ name: `etc/ssh/ssh_host_${type}_key`, mode: 0o600 }, key.privateKey);
    files.entry({ name: `etc/ssh/ssh_host_${type}_key.pub`, mode: 0o644 }, `${key.publicKey}\n`);
  }
  for (const home of ['root', 'home/deploy', 'home/nodocker']) {
    files.entry({ name: `${home}/.ssh`, type: 'directory', mode: 0o700 });
    files.entry({ name: `${home}/.ssh/authorized_keys`, mode: 0o600 }, `${authorizedKey}\n`);
  }
  files.finalize();
  return files;
}
