/**
 * Faults that befall a deployment, each injected at the beginning of a stage. After each one the host has to be in a
 * state that `status` names, and `repair` or the next deployment has to bring it back to one without a finding.
 */
import type { Host } from '../machines/host';
import type { CliOutcome } from '../integration/cli';

/** What a fault may do to the deployment and to the host. */
export interface Scene {
  readonly host: Host;
  /** Sends the deployer's process a signal. */
  readonly signalDeployer: (signal: NodeJS.Signals) => void;
  /** Starts another deployment of the same service. */
  readonly deployAgain: () => Promise<void>;
  readonly service: string;
}

export interface Fault {
  readonly name: string;
  /** True when the fault itself stops what serves: then requests fail until it is over, and are not held against us. */
  readonly stopsSite: boolean;
  /** Needs a host whose Docker has a small disk of its own. */
  readonly needsDisk?: boolean;
  /** What it does. What it returns is done when the deployer has ended, before the status is asked. */
  inject(scene: Scene): Promise<(() => Promise<void>) | undefined>;
  /** What a person does about it once the state has been named, before the host is repaired. */
  cure?(host: Host): Promise<void>;
  /** Throws when the deployment ended otherwise than it should, or one of those that were started beside it. */
  check?(outcome: CliOutcome, others: readonly CliOutcome[]): void;
}

const nothing = (): Promise<undefined> => Promise.resolve(undefined);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const words = (outcome: CliOutcome | undefined): string => JSON.stringify(outcome?.result?.error ?? outcome?.stderr);

export const faults: readonly Fault[] = [
  {
    name: 'deployer killed',
    stopsSite: false,
    inject: ({ signalDeployer }) => {
      signalDeployer('SIGKILL');
      return nothing();
    },
  },
  {
    name: 'SSH cut',
    stopsSite: false,
    inject: async ({ host }) => {
      await host.exec("pkill -9 -f '^sshd.*: deploy'");
      return undefined;
    },
  },
  {
    name: 'SSH silent for a minute',
    stopsSite: false,
    inject: async ({ host }) => {
      await host.mustExec('iptables -I INPUT -p tcp --dport 22 -j DROP');
      return async () => {
        await host.mustExec('iptables -D INPUT -p tcp --dport 22 -j DROP');
      };
    },
  },
  {
    name: 'host frozen for 8 s',
    stopsSite: false,
    inject: async ({ host }) => {
      await host.pause();
      await sleep(8_000);
      await host.unpause();
      return undefined;
    },
  },
  {
    name: 'power cut of the host',
    stopsSite: true,
    inject: async ({ host }) => {
      await host.restart('power cut');
      await host.dockerReady();
      return undefined;
    },
  },
  {
    name: 'engine restarted',
    stopsSite: true,
    inject: async ({ host }) => {
      await host.restartDocker();
      return undefined;
    },
  },
  {
    name: 'engine frozen for 8 s',
    stopsSite: false,
    inject: async ({ host }) => {
      const pid = (await host.mustExec('cat /var/run/docker.pid')).trim();
      await host.mustExec(['kill', '-STOP', pid]);
      await sleep(8_000);
      await host.mustExec(['kill', '-CONT', pid]);
      return undefined;
    },
  },
  {
    // (By its processes: in Docker 20.10 a pause that meets the start of an exec blocks both for good.)
    name: 'proxy frozen for 8 s',
    stopsSite: false,
    inject: async ({ host }) => {
      await host.mustExec('pkill -STOP nginx');
      await sleep(8_000);
      await host.mustExec('pkill -CONT nginx');
      return undefined;
    },
  },
  {
    name: 'proxy restarted',
    stopsSite: true,
    inject: async ({ host }) => {
      await host.exec('docker restart -t 0 reverse-proxy');
      return undefined;
    },
  },
  {
    name: 'proxy removed',
    stopsSite: true,
    inject: async ({ host }) => {
      await host.exec('docker rm -f reverse-proxy');
      return undefined;
    },
  },
  {
    name: 'disk full',
    stopsSite: false,
    needsDisk: true,
    inject: async ({ host }) => {
      await host.fillDisk(0);
      return undefined;
    },
    cure: (host) => host.freeDisk(),
  },
  {
    name: "the service's nginx file corrupted",
    stopsSite: false,
    inject: async ({ host, service }) => {
      await host.exec([
        'docker',
        'exec',
        'reverse-proxy',
        'sh',
        '-c',
        `echo 'serve {' >> /etc/nginx/conf.d/${service}.conf`,
      ]);
      return undefined;
    },
  },
  {
    name: 'a second deployer',
    stopsSite: false,
    inject: async ({ deployAgain }) => {
      await deployAgain();
      return undefined;
    },
    // Refused with 9 while the first is at work. One that comes as the first ends goes live after it.
    check: (first, [second]) => {
      if (first.code !== 0 || (second?.code !== 9 && second?.code !== 0)) {
        throw new Error(
          `The deployers ended with ${first.code} and ${second?.code}: ${words(first)}; ${words(second)}`,
        );
      }
      const ended = first.events.findLast(({ type }) => type === 'stage')?.at ?? Infinity;
      const began = second.events.find(({ type }) => type === 'stage')?.at ?? 0;
      if (second.code === 0 && began < ended) {
        throw new Error(`Two deployers were at work at once for ${ended - began} ms.`);
      }
    },
  },
  {
    name: 'deployer asleep while another one takes over',
    stopsSite: false,
    inject: async ({ signalDeployer, deployAgain }) => {
      signalDeployer('SIGSTOP');
      await sleep(1_000);
      await deployAgain();
      signalDeployer('SIGCONT');
      return undefined;
    },
    check: (slept, [other]) => {
      if (slept.code !== 9 || other?.code !== 0) {
        throw new Error(
          `The deployer that slept ended with ${slept.code}, the other one with ${other?.code}: ${words(slept)}; ${words(other)}`,
        );
      }
    },
  },
];
