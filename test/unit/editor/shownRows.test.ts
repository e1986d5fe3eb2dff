import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { ShownRows, type TreeNode } from '../../../src/editor/shownRows';
import { hostRow, type KnownHost, type Row, rowsOfHost, rowsOfService } from '../../../src/editor/treeRows';
import type { ServiceState } from '../../../src/model';
import { AT, seen, service, slot } from './samples';

const HOSTS = 50;
const SERVICES = 20;

/** Many hosts with many services each, as the tree has them. */
class Many {
  readonly drawn: string[] = [];
  readonly shown: ShownRows;
  private readonly services = new Map<string, ServiceState[]>();

  constructor() {
    for (let number = 1; number <= HOSTS; number++) {
      const services = Array.from({ length: SERVICES }, (_, index) => sample(`service-${index + 1}`));
      this.services.set(`host-${number}`, services);
    }
    this.shown = new ShownRows(
      (row) => this.below(row),
      (node) => this.drawn.push(node?.row.id ?? 'all'),
    );
  }

  /** As VS Code does for rows that are open. @returns how many rows there are. */
  open(node?: TreeNode): number {
    const children = this.shown.children(node);
    return children.reduce((sum, child) => sum + this.open(child), children.length);
  }

  change(host: string, name: string, change: Partial<ServiceState>): void {
    const services = (this.services.get(host) ?? []).map((it) => (it.name === name ? { ...it, ...change } : it));
    this.services.set(host, services);
    this.shown.update(host);
  }

  remove(host: string, name: string): void {
    const services = (this.services.get(host) ?? []).filter((it) => it.name !== name);
    this.services.set(host, services);
    this.shown.update(host);
  }

  removeHost(host: string): void {
    this.services.delete(host);
    this.shown.update(host);
  }

  private below(row: Row | undefined): Row[] {
    if (row === undefined) {
      return [...this.services.keys()].map((host) => hostRow(host, this.view(host)));
    }
    if (row.kind === 'host') {
      return rowsOfHost(row.host, this.view(row.host), []);
    }
    const state =
      row.kind === 'service' ? this.services.get(row.host)?.find(({ name }) => name === row.service) : undefined;
    return state === undefined ? [] : rowsOfService(row.host, state, AT);
  }

  private view(host: string): KnownHost {
    return seen({ services: this.services.get(host) ?? [] });
  }
}

function sample(name: string, change: Parameters<typeof slot>[0] = {}): ServiceState {
  const kept = slot({ name: 'GREEN', container: `${name}_GREEN`, state: 'exited', live: false });
  return service({ name, slots: [slot({ container: `${name}_BLUE`, ...change }), kept] });
}

test('of 50 hosts with 20 services each, the change of one slot draws one row', () => {
  const many = new Many();
  const rows = HOSTS * (1 + SERVICES * 3 + 1);
  assert.equal(many.open(), rows);
  many.shown.update();
  assert.deepEqual(many.drawn, [], 'nothing has changed');
  many.change('host-7', 'service-13', sample('service-13', { health: 'unhealthy' }));
  assert.deepEqual(many.drawn, ['slot:host-7:service-13_BLUE']);
  many.shown.update();
  assert.equal(many.drawn.length, 1, 'what was drawn is known');
});

test('rows that come or go have their parent drawn, and what nobody opened is left alone', () => {
  const many = new Many();
  many.open();
  many.change('host-1', 'service-1', { slots: [] });
  assert.deepEqual(many.drawn.splice(0), ['service:host-1:service-1']);
  many.remove('host-2', 'service-5');
  assert.deepEqual(many.drawn.splice(0), ['host:host-2']);

  const closed = new Many();
  closed.change('host-1', 'service-1', { slots: [] });
  assert.deepEqual(closed.drawn, [], 'never shown');
  closed.shown.children(undefined);
  closed.change('host-1', 'service-2', { slots: [] });
  assert.deepEqual(closed.drawn, [], 'its host is closed');
});

test('hosts that go have all drawn, once until VS Code has asked for them', () => {
  const many = new Many();
  many.open();
  many.removeHost('host-3');
  many.removeHost('host-4');
  many.shown.update();
  assert.deepEqual(many.drawn.splice(0), ['all']);
  many.open();
  many.shown.update();
  assert.deepEqual(many.drawn, []);
  many.removeHost('host-5');
  assert.deepEqual(many.drawn, ['all']);
});

test('ages go on while somebody sees the rows, each row drawn when its own reads differently', () => {
  mock.timers.enable({ apis: ['setInterval', 'Date'], now: AT });
  try {
    const drawn: string[] = [];
    const state = sample('shop');
    const [first] = rowsOfHost('prod', seen({ services: [state] }), []);
    assert.ok(first !== undefined);
    const shown = new ShownRows(
      (row) => (row === undefined ? [first] : row.kind === 'service' ? rowsOfService('prod', state, Date.now()) : []),
      (node) => drawn.push(`${node?.row.label ?? 'all'} ${node?.row.description ?? ''}`),
    );
    shown.children(undefined).forEach((node) => shown.children(node));
    shown.setVisible(true);
    assert.deepEqual(drawn, []);
    mock.timers.tick(60_000);
    assert.match(drawn.splice(0).join(), /^BLUE live · 1 min\. ago [^,]*,GREEN kept for rollback · 1 min\. ago [^,]*$/);
    shown.setVisible(false);
    mock.timers.tick(600_000);
    assert.deepEqual(drawn, [], 'nobody looks');
    shown.setVisible(true);
    assert.equal(drawn.length, 2);
    shown.setVisible(false);
  } finally {
    mock.timers.reset();
  }
});
