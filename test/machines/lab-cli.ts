/**
 * The laboratory for a person: `npx tsx test/machines/lab-cli.ts up [20.10] [26.1] [28.5] [plain]`
 * starts servers and keeps them until Ctrl-C.
 */
import { proxyImage, pythonImage, tinyImage, type DockerVersion } from './images';
import { startLab } from './lab';

const versions: readonly DockerVersion[] = ['20.10', '26.1', '28.5'];

async function up(names: readonly string[]): Promise<void> {
  const lab = await startLab();
  const wanted = names.length === 0 ? [...versions, 'plain'] : names;
  const [hosts] = await Promise.all([
    Promise.all(
      wanted.map((name) => {
        const engine = versions.find((version) => version === name);
        return engine === undefined ? lab.host({ name, docker: false }) : lab.host({ engine });
      }),
    ),
    lab.bastion(),
    lab.images(proxyImage, pythonImage, tinyImage),
  ]);
  await Promise.all(hosts.filter((host) => host.hasDocker).map((host) => host.dockerReady()));
  console.log(`
Docker engine of this machine:  DOCKER_HOST=unix://${lab.engine.socketPath}
Log in:                         ssh -F ${lab.sshConfigFile} ${hosts[0]?.name ?? 'bastion'}
Identity:                       ${lab.identityFile}
Known hosts:                    ${lab.knownHostsFile}
Servers (user deploy, or root, or nodocker; also as NAME-via-bastion):
${hosts.map((host) => `  ${host.name.padEnd(12)} ${host.address}`).join('\n')}

Ctrl-C removes them.`);
  await new Promise(() => setInterval(() => undefined, 1 << 30));
}

const [command, ...rest] = process.argv.slice(2);
if (command === 'up') {
  void up(rest);
} else {
  console.error('usage: lab-cli.ts up [20.10] [26.1] [28.5] [NAME of a machine without Docker] …');
  process.exitCode = 2;
}
