/**
 * `npm run bench:switch -- [N] [--requests R] [--beside B] [--minutes M]`: N deployments (default 100) under traffic of
 * every kind until at least R requests were sent (default: those of the deployments), B beside few clients (default: a
 * fifth as many), then a tenth as many the article's way. After M minutes no deployment of ours begins and no more requests are waited for; the
 * report says how many there were. Ends with 1 when one of our requests failed, when half of our deployments or rollbacks
 * took more than two seconds to live, or one in twenty of those beside few clients, and when the host holds more after
 * all of them than after three.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { mustRun } from '../../machines/command';
import { proxyImage, pythonImage } from '../../machines/images';
import { startLab } from '../../machines/lab';
import { benchArticle } from './article';
import { benchOurs } from './ours';
import { describeBench, shortcomings } from './report';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      requests: { type: 'string', default: '0' },
      beside: { type: 'string' },
      minutes: { type: 'string', default: 'Infinity' },
    },
    allowPositionals: true,
  });
  const deployments = Number(positionals[0] ?? 100);
  const requests = Number(values.requests);
  const beside = Number(values.beside ?? Math.ceil(deployments / 5));
  const until = performance.now() + Number(values.minutes) * 60_000;
  const whole = [deployments, requests, beside].every((number) => Number.isInteger(number) && number >= 0);
  if (!whole || deployments < 1 || Number.isNaN(until)) {
    throw new Error(
      'usage: npm run bench:switch -- [DEPLOYMENTS] [--requests REQUESTS] [--beside DEPLOYMENTS] [--minutes MINUTES]',
    );
  }
  await mustRun(process.execPath, [path.join(import.meta.dirname, '../../../esbuild.mjs'), '--production']);
  const lab = await startLab();
  try {
    await lab.images(proxyImage, pythonImage);
    const mine = await (await lab.host({ name: 'bench-ours', disk: 'lasting' })).dockerReady();
    const rollbacks = Math.min(10, deployments);
    const ours = await benchOurs(lab, mine, { deployments, rollbacks, beside, requests, until });
    await mine.remove();
    const theirs = await (await lab.host({ name: 'bench-article', prepared: true, disk: 'lasting' })).dockerReady();
    const articleDeployments = Math.max(1, Math.round(ours.deployments / 10));
    const article = await benchArticle(lab, theirs, articleDeployments);
    console.log(describeBench(ours, article, articleDeployments));
    const wrong = shortcomings(ours);
    wrong.forEach((sentence) => console.error(sentence));
    process.exitCode = wrong.length === 0 ? 0 : 1;
  } finally {
    await lab.stop();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
