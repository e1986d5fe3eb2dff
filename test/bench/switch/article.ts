/**
 * The way of the article "Blue-Green Deployment на минималках", for comparison under the same clients: new container,
 * upstream in default.conf overwritten, `nginx -t`, plain reload, `docker rm -f` of the old one after two seconds.
 */
import type { Host } from '../../machines/host';
import { buildApp } from '../../machines/apps';
import type { Lab } from '../../machines/lab';
import { proxyImage } from '../../machines/images';
import { Traffic, type TrafficReport } from '../../machines/traffic';
import { Load } from './load';
import { LONG, STEADY } from './ours';

const CONF =
  'upstream bench { server bench_SLOT:8080; }\nserver { listen 80; location / { proxy_pass http://bench; } }\n';

export async function benchArticle(lab: Lab, host: Host, deployments: number): Promise<TrafficReport[]> {
  const image = 'bench-article:1';
  await buildApp(lab.engine, 'mixed', image);
  await host.load(image);
  await host.mustExec('docker network create web-gateway');
  await host.mustExec(`docker run -d --name bench_BLUE --restart always --network web-gateway ${image}`);
  await host.mustExec(
    `docker run -d --name reverse-proxy --restart always --network web-gateway -p 80:80 ${proxyImage}`,
  );
  // The article's own first deployment fails here: it reloads before nginx has written its pid file.
  await host.mustExec('until docker exec reverse-proxy test -s /run/nginx.pid; do sleep 0.1; done');
  await point(host, 'BLUE');
  const traffic = await Load.start({ url: `${host.url}/`, ...STEADY });
  const long = Traffic.start({ url: `${host.url}/`, ...LONG });
  await long.settle(4);
  let live = 'BLUE';
  for (let number = 1; number <= deployments; number += 1) {
    const next = live === 'BLUE' ? 'GREEN' : 'BLUE';
    await host.mustExec(`docker run -d --name bench_${next} --restart always --network web-gateway ${image}`);
    await host.mustExec(
      `until docker exec reverse-proxy curl -sf http://bench_${next}:8080/ >/dev/null; do sleep 1; done`,
    );
    await point(host, next);
    await host.mustExec(`sleep 2; docker rm -f bench_${live}`);
    live = next;
    await new Promise((resolve) => setTimeout(resolve, 5_000));
  }
  return Promise.all([traffic.stop(), long.stop()]);
}

async function point(host: Host, slot: string): Promise<void> {
  const script = 'cat > /etc/nginx/conf.d/default.conf && nginx -t && nginx -s reload';
  await host.mustExec(['docker', 'exec', '-i', 'reverse-proxy', 'sh', '-c', script], CONF.replaceAll('SLOT', slot));
}
