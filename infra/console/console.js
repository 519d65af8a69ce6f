// The console: its panels, what they tell each other, and the header.

import { agentsPanel } from './agents.js';
import { call, enter, listen, socketUrl } from './api.js';
import { approvalsPanel } from './approvals.js';
import { byId, say } from './dom.js';
import { connect } from './events.js';
import { agentEditor } from './form.js';
import { searchPanel } from './search.js';
import { timelinePanel } from './timeline.js';

const TIERS = ['free', 'pro', 'enterprise'];
const TIER_KEY = 'console.tier';
const USER_KEY = 'console.user';
const APPROVAL = 'apv_';
const SIDES = ['events', 'approvals'];
const wide = matchMedia('(min-width: 56rem)');
const [connection, streamState] = ['connection', 'stream-state'].map(byId);

const stored = localStorage.getItem(TIER_KEY);
let tier = TIERS.includes(stored) ? stored : 'pro';
const users = [...byId('user').options].map(({ value }) => value);
let user = users.find((name) => name === localStorage.getItem(USER_KEY)) ?? '';
let pasted;
let stream;
let counting;
let counted;

/** Shows a panel. A wide window shows all, but for one of two at its side. */
const show = (panel) => {
  const { dataset } = document.body;
  dataset.panel = panel;
  if (SIDES.includes(panel)) dataset.side = panel;
  for (const tab of byId('panels').children) tab.ariaCurrent = tab.dataset.show === panel ? 'true' : null;
  for (const tab of byId('sides').children) tab.ariaPressed = String(tab.dataset.show === dataset.side);
};

const open = (id) => {
  show('agent');
  return editor.open(id);
};
const showApproval = (id) => {
  show('approvals');
  approvals.focus(id);
};
/** What an event is about, by name. */
const nameOf = (id) => {
  if (!id.startsWith(APPROVAL)) return agents.nameOf(id);
  const agent = approvals.agentOf(id);
  return agent ? `Approval for ${agents.nameOf(agent)}` : 'An approval';
};
const agents = agentsPanel({
  onSelect: open,
  onAgent: (agent) => editor.remote(agent),
  onGone: (id) => editor.gone(id),
  onNames() {
    timeline.rename();
    approvals.rename();
  },
});
const search = searchPanel({ row: agents.row, onFound: agents.learn });
const timeline = timelinePanel({
  nameOf, onSelect: (id) => (id.startsWith(APPROVAL) ? showApproval(id) : open(id)),
});
const approvals = approvalsPanel({
  nameOf: agents.nameOf,
  onSelect: open,
  onCompare(id, from, to) {
    show('agent');
    editor.compare(id, from, to);
  },
  onCount(number) {
    for (const place of document.querySelectorAll('.pending-count')) place.textContent = number || '';
    timeline.rename();
  },
});
const editor = agentEditor({
  onAgent(agent) {
    agents.put(agent);
    search.stale();
    readUsage();
  },
  onGone(id) {
    agents.drop(id);
    search.stale();
    readUsage();
  },
  onAsked: () => approvals.take(),
  onApprovals: showApproval,
  onOpen(id) {
    agents.select(id);
    // The address names the agent, so that loading the page again shows it again.
    history.replaceState(null, '', id ? `#${id}` : location.pathname);
  },
});

// The header

async function readUsage() {
  const { tier: name, agents: { used, limit } } = await call('GET', '/v1/usage');
  byId('usage-text').textContent = limit === null ? `${used} agents` : `${used} of ${limit} agents`;
  byId('usage').title = `Tier ${name}`;
  const meter = byId('usage-meter');
  meter.hidden = limit === null;
  meter.value = limit ? used / limit : 0;
}

/** Events come in bursts, and the count is the same for all of one. */
function countSoon() {
  clearTimeout(counted);
  counted = setTimeout(() => readUsage().catch(() => {}), 300);
}

// Events

const seconds = (delay) => (delay < 1000 ? 'now' : `in ${Math.ceil(delay / 1000)} s`);

function showState(state, { attempt, delay = 0, reason } = {}) {
  clearInterval(counting);
  const was = connection.dataset.state;
  connection.dataset.state = state;
  connection.title = reason ?? '';
  const text = byId('connection-text');
  text.textContent = { connecting: 'Connecting…', live: 'Live', off: 'No live events' }[state] ?? '';
  if (state === 'reconnecting') {
    const due = Date.now() + delay;
    const count = () => { text.textContent = `Reconnecting ${seconds(due - Date.now())}`; };
    count();
    counting = setInterval(count, 1000);
  }
  // Between two attempts, and during the next one, the panel says the same.
  const isLost = state === 'reconnecting' || (state === 'connecting' && attempt > 1);
  const isQuiet = !isLost && state !== 'off';
  streamState.hidden = isQuiet || !byId('token-panel').hidden;
  streamState.textContent = state === 'off' ? 'This service has no live events: what you see is what was recorded.'
    : 'Not connected. What happens meanwhile shows up when the connection is back.';
  if (state === 'reconnecting' && was === 'live') say('The connection was lost.');
  if (state === 'live' && attempt > 1) say('Connected again.');
}

function take(event) {
  timeline.take(event);
  if (event.type.startsWith('approval.')) return approvals.take();
  agents.take(event);
  search.stale();
  return countSoon();
}

/** Events that were not sent one by one: the log has them, and the agents are as they left them. */
async function catchUp({ after, to }) {
  search.stale();
  const events = to ? timeline.read(after, to) : timeline.load();
  await Promise.all([agents.load(), approvals.load(), events]).catch(() => {});
  countSoon();
}

async function follow() {
  const after = await timeline.load();
  if (!await socketUrl().catch(() => 'unknown')) return showState('off');
  stream = connect({
    url: socketUrl,
    ticket: async () => (await call('POST', '/v1/ws-tickets', { body: {} })).ticket,
    after,
    onEvent: take,
    onState(state, about) {
      showState(state, about);
      // What could not be read while the service was away can be now.
      if (state === 'live' && about.attempt > 1) read();
      if (state === 'live' && timeline.hasFailed()) timeline.load();
    },
    onSkipped: catchUp,
  });
}

// Starting

async function readModels() {
  editor.offer((await call('GET', '/v1/models')).items);
}

/** Reads what no event brings. Each panel shows its own failure. */
async function read() {
  await Promise.allSettled([readModels(), readUsage(), agents.load(), approvals.load()]);
}

/** Marks who speaks: the tier's tenant, and the user. */
function mark() {
  byId('user').value = user;
  for (const radio of document.querySelectorAll('[name="tier"]')) radio.checked = radio.value === tier;
}

/** Begins anew, as another tenant or with another token. */
async function start(wanted) {
  const named = wanted ?? location.hash.slice(1);
  stream?.close();
  enter(`demo-${tier}`, user || undefined, pasted);
  agents.clear();
  search.clear();
  approvals.clear();
  editor.clear();
  byId('token-panel').hidden = true;
  byId('new-agent').disabled = false;
  byId('usage-text').textContent = '';
  byId('usage-meter').hidden = true;
  showState('connecting');
  mark();
  const following = follow();
  await read();
  const first = named || (wide.matches && agents.first());
  // Someone may have begun something meanwhile.
  if (first && editor.isIdle()) editor.open(first);
  await following;
}

function askForToken(reason) {
  stream?.close();
  editor.clear();
  byId('no-agent').hidden = true;
  // A token says whose agents these are, so that there is nothing to switch.
  for (const id of ['tiers', 'user-switch']) byId(id).hidden = true;
  byId('new-agent').disabled = true;
  byId('token-panel').hidden = false;
  showState('off');
  byId('token-reason').textContent = reason;
  show('agent');
  byId('token').focus();
}

listen({
  tokenNeeded: askForToken,
  curl(name, text) {
    byId('curl').hidden = false;
    byId('curl-name').textContent = name;
    byId('curl-text').textContent = text;
  },
});

byId('tiers').addEventListener('change', async ({ target }) => {
  if (await editor.mayLeave()) {
    tier = target.value;
    localStorage.setItem(TIER_KEY, tier);
    start('');
  } else {
    mark();
  }
});
byId('user').addEventListener('change', async ({ target }) => {
  if (await editor.mayLeave()) {
    user = target.value;
    localStorage.setItem(USER_KEY, user);
    start();
  } else {
    mark();
  }
});
byId('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  pasted = { token: byId('token').value.trim(), socketUrl: byId('socket-url').value || undefined };
  start();
});
for (const id of ['panels', 'sides']) {
  byId(id).addEventListener('click', ({ target }) => {
    const chosen = target.closest('[data-show]');
    if (chosen) show(chosen.dataset.show);
  });
}
byId('new-agent').addEventListener('click', () => {
  show('agent');
  editor.create();
});
byId('curl-copy').addEventListener('click', () => {
  const text = byId('curl-text');
  navigator.clipboard.writeText(text.textContent).then(() => say('Copied.'), () => {
    getSelection().selectAllChildren(text);
    say('Selected: copy it with the keyboard.');
  });
});
show('agents');
start();
