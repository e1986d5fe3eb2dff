/** Every command of the extension. The manifest's list must be the same (test/unit/editor/manifest.test.ts). */
export const COMMAND_IDS = [
  'blueGreen.deploy',
  'blueGreen.deployFromTitle',
  'blueGreen.plan',
  'blueGreen.rollback',
  'blueGreen.switch',
  'blueGreen.repair',
  'blueGreen.drill',
  'blueGreen.cancel',
  'blueGreen.cancelFromTitle',
  'blueGreen.showPanel',
  'blueGreen.showPanelFromTitle',
  'blueGreen.showLogs',
  'blueGreen.stopLogs',
  'blueGreen.openSite',
  'blueGreen.restart',
  'blueGreen.shell',
  'blueGreen.showConf',
  'blueGreen.copy',
  'blueGreen.copyImage',
  'blueGreen.copyCommit',
  'blueGreen.remove',
  'blueGreen.createConfiguration',
  'blueGreen.addHost',
  'blueGreen.removeHost',
  'blueGreen.refresh',
  'blueGreen.refreshAll',
] as const;
export type CommandId = (typeof COMMAND_IDS)[number];

/** Context keys that the manifest's `when` clauses read. */
export type ContextKey = 'blueGreen.running' | 'blueGreen.following';

export const SLOTS_VIEW = 'blueGreen.slots';
export const PANEL_VIEW_TYPE = 'blueGreen.deployment';
