// The console: its panels, what they tell each other, and the header.

import { agentsPanel } from './agents.js';
import { call, enter, listen, Problem, socketUrl } from './api.js';
import { approvalsPanel } from './approvals.js';
import { showState } from './connection.js';
import { byId, say } from './dom.js';
import { connect } from './events.js';
import { agentEditor } from './form.js';
import { jobsPanel } from './jobs.js';
import { planPanel } from './plan.js';
import { searchPanel } from './search.js';
import { templatesPanel } from './templates.js';
import { timelinePanel } from './timeline.js';
import { widen } from './views.js';

const TIERS = ['free', 'pro', 'enterprise'];
const TIER_KEY = 'console.tier';
const USER_KEY = 'console.user';
const APPROVAL = 'apv_';
const TEMPLATE = 'tpl_';
const JOB = 'job_';
/** What events of the tier are about. */
const ENTITLEMENTS = 'entitlements';
const SIDES = ['events', 'approvals', 'jobs'];
/** What needs a token. */
const NEEDS_TOKEN = ['new-agent', 'new-job', 'new-export', 'new-import', 'show-templates'];
/** What the middle shows: one of them. */
const MIDDLES = ['agent', 'templates', 'plan', 'job'];
/** Forms that start jobs, by the buttons that open them. */
const FORMS = ['job', 'export', 'import'];
/** In a narrow window, the panel that leads to one that has no tab. */
const TABS = { job: 'jobs' };
const wide = matchMedia('(min-width: 56rem)');

const stored = localStorage.getItem(TIER_KEY);
let tier = TIERS.includes(stored) ? stored : 'pro';
const users = [...byId('user').options].map(({ value }) => value);
let user = users.find((name) => name === localStorage.getItem(USER_KEY)) ?? '';
let pasted;
let stream;
/** The agent that is shown, or about to be. */
let agentId;

/** The address names what is shown, so that loading the page again shows it again. */
const address = () => {
  const { middle } = document.body.dataset;
  const place = {
    agent: agentId, templates: templates.shown() ?? 'templates', plan: 'plan', job: jobs.shown(),
  }[middle];
  history.replaceState(null, '', place ? `#${place}` : location.pathname);
};

/** Shows a panel. A wide window shows all, but for one of several in its middle, and at its side. */
const show = (panel) => {
  const { dataset } = document.body;
  dataset.panel = panel;
  if (SIDES.includes(panel)) dataset.side = panel;
  if (MIDDLES.includes(panel) && dataset.middle !== panel) {
    dataset.middle = panel;
    widen(false);
    if (panel !== 'plan') plan.close();
    address();
  }
  for (const one of MIDDLES) byId(`show-${one}`)?.setAttribute('aria-pressed', String(dataset.middle === one));
  byId('usage').ariaPressed = String(dataset.middle === 'plan');
  const at = TABS[panel] ?? panel;
  for (const tab of byId('panels').children) tab.ariaCurrent = tab.dataset.show === at ? 'true' : null;
  for (const tab of byId('sides').children) tab.ariaPressed = String(tab.dataset.show === dataset.side);
};

const open = (id) => {
  show('agent');
  return editor.open(id);
};
const openTemplate = (id) => {
  show('templates');
  return templates.open(id);
};
/** A job stands in the middle, and at the side the others. */
const showJob = () => {
  document.body.dataset.side = 'jobs';
  show('job');
};
const showPlan = () => {
  show('plan');
  plan.open();
};
/** Leads to what an event is about. */
const showSubject = (id) => {
  if (id.startsWith(APPROVAL)) return showApproval(id);
  if (id === ENTITLEMENTS) return showPlan();
  if (id.startsWith(JOB)) return jobs.open(id);
  return id.startsWith(TEMPLATE) ? openTemplate(id) : open(id);
};
const showApproval = (id) => {
  show('approvals');
  approvals.focus(id);
};
/** What an event is about, by name. */
const nameOf = (id) => {
  if (id === ENTITLEMENTS) return 'Tier and limits';
  if (id.startsWith(TEMPLATE)) return templates.nameOf(id);
  if (id.startsWith(JOB)) return jobs.titleOf(id);
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
    jobs.rename();
  },
});
const search = searchPanel({ row: agents.row, onFound: agents.learn, onWish: () => jobs.wish() });
const timeline = timelinePanel({ nameOf, onSelect: showSubject });
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
    plan.soon();
  },
  onGone(id) {
    agents.drop(id);
    search.stale();
    plan.soon();
  },
  onAsked: () => approvals.take(),
  onApprovals: showApproval,
  onTemplate: openTemplate,
  templateOf: (id) => templates.known(id),
  onOpen(id) {
    agentId = id;
    agents.select(id);
    address();
  },
});
const templates = templatesPanel({
  onOpen: address,
  onNames() {
    timeline.rename();
    editor.renamed();
    jobs.rename();
  },
  onCreated(agent) {
    agents.put(agent);
    plan.soon();
    open(agent.id);
  },
  onAgent: open,
  onCount: () => plan.soon(),
  nameOf: agents.nameOf,
  /** The one that is shown comes first. */
  agents() {
    const all = agents.all();
    const shown = editor.shown();
    return [...(shown ? [shown] : []), ...all.filter(({ id }) => id !== shown?.id)];
  },
});
const plan = planPanel({ onAgent: open, onTier: () => readModels().catch(() => {}) });
const jobs = jobsPanel({
  nameOf,
  onAgent: showSubject,
  filterOf: search.filter,
  onOpen() {
    showJob();
    address();
  },
  onClose() {
    show('agent');
    show('jobs');
  },
  onCount(number) {
    for (const place of document.querySelectorAll('.running-count')) place.textContent = number || '';
    timeline.rename();
  },
  onChanged: reread,
});

// Events

function take(event) {
  timeline.take(event);
  const [subject] = event.type.split('.');
  if (subject === 'approval') return approvals.take();
  if (subject === ENTITLEMENTS) return plan.take(event);
  if (subject === 'job') return jobs.take(event);
  if (subject === 'template') {
    templates.take(event);
    editor.renamed(event.data.id === editor.shown()?.template?.id);
  } else {
    agents.take(event);
    search.stale();
  }
  return plan.soon();
}

/** Agents have changed, and no event says which: what is shown of them is read anew. */
async function reread() {
  search.stale();
  plan.soon();
  const { id } = editor.shown() ?? {};
  const shown = id && call('GET', `/v1/agents/${id}`).then(editor.remote, (problem) => {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 404) editor.gone(id);
  });
  await Promise.all([agents.load(), shown]);
}

/** Events that were not sent one by one: the log has them, and the agents are as they left them. */
async function catchUp({ after, to }) {
  search.stale();
  const events = to ? timeline.read(after, to) : timeline.load();
  await Promise.all([agents.load(), approvals.load(), templates.load(), jobs.load(), events]).catch(() => {});
  plan.soon();
}

async function follow() {
  const after = await timeline.load();
  if (!await socketUrl().catch(() => 'unknown')) {
    jobs.connection('off');
    return showState('off');
  }
  stream = connect({
    url: socketUrl,
    ticket: async () => (await call('POST', '/v1/ws-tickets', { body: {} })).ticket,
    after,
    onEvent: take,
    onState(state, about) {
      showState(state, about);
      jobs.connection(state, state === 'reconnecting' || (state === 'connecting' && about.attempt > 1));
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
  await Promise.allSettled([readModels(), plan.readUsage(), agents.load(), approvals.load(), templates.load(),
    jobs.load()]);
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
  templates.clear();
  plan.clear();
  jobs.clear();
  editor.clear();
  byId('token-panel').hidden = true;
  for (const id of NEEDS_TOKEN) byId(id).disabled = false;
  showState('connecting');
  mark();
  const following = follow();
  const isElsewhere = [TEMPLATE, JOB].some((prefix) => named.startsWith(prefix))
    || [...MIDDLES, ...FORMS].includes(named);
  if (named.startsWith(TEMPLATE)) openTemplate(named);
  else if (named.startsWith(JOB)) jobs.open(named);
  else if (named === 'plan') showPlan();
  else if (FORMS.includes(named)) jobs.openForm(named);
  else if (isElsewhere) show(named);
  else if (document.body.dataset.middle === 'plan') plan.open();
  // The job that was shown is another tenant's.
  else if (document.body.dataset.middle === 'job') show('agent');
  await read();
  const first = (!isElsewhere && named) || (wide.matches && agents.first());
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
  for (const id of NEEDS_TOKEN) byId(id).disabled = true;
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

/** Asks whether what is not saved may be lost, where the question can be seen. */
function mayLeave() {
  if (editor.hasUnsaved()) show('agent');
  return editor.mayLeave();
}

byId('tiers').addEventListener('change', async ({ target }) => {
  if (await mayLeave()) {
    tier = target.value;
    localStorage.setItem(TIER_KEY, tier);
    start('');
  } else {
    mark();
  }
});
byId('user').addEventListener('change', async ({ target }) => {
  if (await mayLeave()) {
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
byId('show-templates').addEventListener('click', () => {
  show('templates');
  templates.openGallery();
});
byId('usage').addEventListener('click', showPlan);
byId('plan-close').addEventListener('click', () => show('agent'));
byId('curl-copy').addEventListener('click', () => {
  const text = byId('curl-text');
  navigator.clipboard.writeText(text.textContent).then(() => say('Copied.'), () => {
    getSelection().selectAllChildren(text);
    say('Selected: copy it with the keyboard.');
  });
});
show('agents');
start();
