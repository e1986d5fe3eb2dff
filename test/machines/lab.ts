import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { atEnd } from './atEnd';
import { startEngine, type Engine } from './engine';
import { dockerRootsFolder, ensureDockerRoot, preparedImages } from './dockerRoots';
import { Host, newestVersion, storeOf, type HostOptions, type HostPlace } from './host';
import { ensureImages, hostImage, type DockerVersion } from './images';
import { generateKey, type KeyPair } from './keys';
import { timed, toStderr, type Log } from './log';
import { createNetwork, freePort } from './network';
import { ownerId } from './owner';
import { labLabel, ownerFile, ownerLabel, removeLabelled, removeLeftovers } from './removal';
import { startSlowLink, type SlowLink, type Speed } from './slowLink';
import { SshFiles } from './sshFiles';

export interface LabOptions {
  readonly log?: Log;
  /**
   * Reach the machines through ports of 127.0.0.1 instead of their own addresses. Default: where the
   * engine runs in a virtual machine, as on macOS.
   */
  readonly publish?: boolean;
}

const defaultNames: Record<DockerVersion, string> = { '20.10': 'prod-2010', '26.1': 'prod-26', '28.5': 'prod-28' };
const bastionName = 'bastion';
const hostKeysFolder = 'host-keys';
const savedFolder = 'saved';
/** Bytes of a machine that has room for the disks of several hosts in its memory. */
const enoughMemory = 12e9;

/** Starts a laboratory. What an earlier one left behind after it was killed is removed first. */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const log = options.log ?? toStderr;
  // The engine first: at the process's end it is the last to go.
  const engine = await startEngine(log);
  const undo: Undo = [() => engine.stop()];
  const stop = stopOnce(undo);
  try {
    await removeLeftovers(engine, log);

    const id = `blue-green-lab-${randomBytes(3).toString('hex')}`;
    const owner = await ownerId();
    const folder = mkdtempSync(join(tmpdir(), `${id}-`));
    undo.push(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, ownerFile), owner);
    mkdirSync(join(folder, hostKeysFolder));
    mkdirSync(join(folder, savedFolder));
    const identity = await generateKey(join(folder, 'id_ed25519'));

    const labels = { [labLabel]: id, [ownerLabel]: owner };
    undo.push(() => removeLabelled(engine, `${labLabel}=${id}`));
    const subnet = await createNetwork(engine, id, labels);
    const publish = options.publish ?? process.platform !== 'linux';
    const { MemTotal: memory } = (await engine.docker.info()) as { readonly MemTotal: number };
    const disk = memory < enoughMemory ? { disk: 'lasting' as const } : {};
    return new Lab(id, engine, folder, identity, { labels, subnet, publish, disk, log, undo, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

type Undo = (() => Promise<void> | void)[];

interface LabParts {
  readonly labels: Record<string, string>;
  readonly subnet: string;
  readonly publish: boolean;
  /** Disk of a host that does not ask for a certain one. */
  readonly disk: Pick<HostOptions, 'disk'>;
  readonly log: Log;
  readonly undo: Undo;
  readonly stop: () => Promise<void>;
}

/** A private network with production servers on it, and the files that let `ssh` reach them. */
export class Lab {
  /** ssh_config(5): an alias for each machine; with a bastion also `NAME-via-bastion`. */
  readonly sshConfigFile: string;
  readonly knownHostsFile: string;
  readonly identityFile: string;
  private readonly files: SshFiles;
  private readonly hosts = new Map<string, Host>();
  private jumpHost: Promise<Host> | undefined;
  private nextNumber = 10;
  private readonly saving = new Map<string, Promise<void>>();

  constructor(
    readonly id: string,
    /** The engine of this machine: where images are built. */
    readonly engine: Engine,
    /** Temporary folder, removed with the lab: keys, ssh config, known_hosts; tests may add to it. */
    readonly folder: string,
    private readonly identity: KeyPair,
    private readonly parts: LabParts,
  ) {
    this.files = new SshFiles(folder, identity.file);
    this.sshConfigFile = this.files.configFile;
    this.knownHostsFile = this.files.knownHostsFile;
    this.identityFile = identity.file;
  }

  /** Makes images available in the engine of this machine (their names: images.ts). */
  async images(...names: readonly string[]): Promise<void> {
    await ensureImages(this.engine, names, this.parts.log);
  }

  /** Starts a server. Its Docker may need a second more: `await host.dockerReady()`. */
  async host(options: HostOptions = {}): Promise<Host> {
    const version = options.engine ?? newestVersion;
    const name = options.name ?? defaultNames[version];
    if (this.hosts.has(name)) throw new Error(`The lab has a host ${name} already: give this one another name.`);
    const isPrepared = options.prepared === true;
    await this.images(hostImage(version), ...(isPrepared ? preparedImages : []));
    const root = isPrepared ? { root: await this.dockerRoot(version, options) } : {};
    const place = await this.place(name);
    const host = await timed(this.parts.log, `starting ${name}`, () =>
      Host.start(this.engine, { ...place, ...root }, { ...this.parts.disk, ...options }, () => this.forget(name)),
    );
    this.hosts.set(name, host);
    this.files.add({ alias: name, hostName: host.address, port: host.sshPort, user: host.user, hostKey: host.hostKey });
    if (this.jumpHost !== undefined && name !== bastionName) this.addJump(host);
    return host;
  }

  /** Starts (once) a machine to jump through. Each host then has an alias `NAME-via-bastion`. */
  bastion(): Promise<Host> {
    this.jumpHost ??= (async () => {
      const bastion = await this.host({ name: bastionName, docker: false });
      for (const host of this.hosts.values()) if (host !== bastion) this.addJump(host);
      return bastion;
    })();
    return this.jumpHost;
  }

  /** Where machines reach this one: the gateway of their network. */
  get address(): string {
    return this.parts.publish ? '127.0.0.1' : `${this.parts.subnet}.1`;
  }

  /** Puts a slow line in front of a host's sshd, reached by the alias `NAME-slow`. Ends with the lab. */
  async slowLink(host: Host, speed: Speed): Promise<SlowLink & { readonly alias: string }> {
    const link = await startSlowLink({ host: host.address, port: host.sshPort }, speed, this.address);
    const alias = `${host.name}-slow`;
    this.files.remove(alias);
    this.files.add({ alias, hostName: link.host, port: link.port, user: host.user, hostKey: host.hostKey });
    this.parts.undo.push(() => link.close());
    return Object.assign(link, { alias });
  }

  /** Removes everything. Happens by itself when the process ends. */
  stop(): Promise<void> {
    return this.parts.stop();
  }

  private dockerRoot(version: DockerVersion, options: HostOptions): Promise<string> {
    const store = storeOf(options);
    return ensureDockerRoot(this.engine, version, store, (name) => this.host({ engine: version, store, name }));
  }

  private async place(name: string): Promise<HostPlace> {
    const number = this.nextNumber++;
    const keyFile = join(this.folder, hostKeysFolder, `${String(number)}-${name}`);
    const [ed25519, ecdsa] = await Promise.all([
      generateKey(`${keyFile}-ed25519`, 'ed25519'),
      generateKey(`${keyFile}-ecdsa`, 'ecdsa'),
    ]);
    const { labels, subnet, publish } = this.parts;
    return {
      name,
      container: `${this.id}-${name}`,
      network: this.id,
      networkAddress: `${subnet}.${String(number)}`,
      ...(publish ? { published: { ssh: await freePort(), http: await freePort(), https: await freePort() } } : {}),
      labels,
      hostKeys: { ed25519, ecdsa },
      authorizedKey: this.identity.publicKey,
      password: randomBytes(9).toString('base64url'),
      identityFile: this.identityFile,
      knownHostsFile: this.knownHostsFile,
      sshConfigFile: this.sshConfigFile,
      savedFolder: join(this.folder, savedFolder),
      rootsFolder: dockerRootsFolder(),
      saved: (image, file) => this.saved(image, join(this.folder, savedFolder, file)),
    };
  }

  /** Saves an image to a file once, for all hosts. */
  private saved(image: string, file: string): Promise<void> {
    const saving = this.saving.get(file) ?? this.save(image, file);
    this.saving.set(file, saving);
    return saving;
  }

  private async save(image: string, file: string): Promise<void> {
    await pipeline(await this.engine.docker.getImage(image).get(), createWriteStream(file));
  }

  /** The name is known inside of the lab's network only: without the jump this alias leads nowhere. */
  private addJump({ name, user, hostKey }: Host): void {
    this.files.remove(`${name}-via-bastion`);
    this.files.add({
      alias: `${name}-via-bastion`,
      hostName: `${name}.internal`,
      port: 22,
      user,
      hostKey,
      jump: bastionName,
    });
  }

  private forget(name: string): void {
    this.hosts.delete(name);
    this.files.remove(name, `${name}-via-bastion`, `${name}-slow`);
    if (name === bastionName) this.jumpHost = undefined;
  }
}

/** Undoes the steps from the last to the first, once, on call or at the process's end. */
function stopOnce(undo: Undo): () => Promise<void> {
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    forget();
    stopped ??= (async () => {
      const errors: unknown[] = [];
      for (let step = undo.pop(); step !== undefined; step = undo.pop()) {
        try {
          await step();
        } catch (error) {
          errors.push(error); // the other steps are still to be undone
        }
      }
      if (errors.length > 0) throw new AggregateError(errors, 'The lab could not be removed completely.');
    })();
    return stopped;
  };
  const forget = atEnd(stop);
  return stop;
}
