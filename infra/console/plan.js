// The tier: how much of its limits is used, and what another tier would do to the agents.

import { call, Problem } from './api.js';
import { bones, button, byId, failure, h, say } from './dom.js';
import { shownViolation } from './fields.js';
import { refusal } from './risks.js';
import { usageBars, usageText } from './usage.js';

const PAGE = 100;
const BURST_MS = 300;
/** What a tier does to an agent, in words. */
const EFFECTS = {
  suspended: ['suspended', 'it would be suspended'],
  blocked: ['blocked', 'its draft could not be published until it fits'],
  lifted: ['in use again', 'it would be used again'],
};

const header = byId('usage');
const [named, bars, limits, state] = ['plan-tier', 'plan-usage', 'plan-limits', 'plan-state'].map(byId);
const [form, tier, result, stale] = ['plan-form', 'plan-other', 'plan-result', 'plan-stale'].map(byId);

/** A limit's name as words. */
const words = (name) => name.replaceAll('_', ' ');
const count = (number, what) => `${number} ${what}${number === 1 ? '' : 's'}`;

/** `onAgent(id)` when an agent is asked for; `onTier()` when the tier may admit other things than before. */
export function planPanel({ onAgent, onTier }) {
  let turn = 0;
  let reading;
  let asked = 0;
  let isOpen = false;
  let tiers = [];
  /** The answer that is shown, with the rows of all pages that were read. */
  let shown = null;
  /** Agents to keep, by id, with their names: most wanted first. */
  const keep = new Map();

  // What is used

  async function readUsage(isAction = false) {
    const mine = ++turn;
    const usage = await call('GET', '/v1/usage', { isAction });
    if (mine !== turn) return;
    header.replaceChildren(...usageBars(usage, true));
    header.title = `Tier ${usage.tier}: what is used, and what another tier would do`;
    header.hidden = false;
    bars.replaceChildren(...usageBars(usage));
    named.textContent = usage.tier;
  }

  /** Events come in bursts, and the count is the same for all of one. */
  function soon() {
    clearTimeout(reading);
    reading = setTimeout(() => readUsage().catch(() => {}), BURST_MS);
    stale.hidden = !shown;
  }

  /** The tier or its limits were set, or a limit is near. */
  function take({ type, changed, data }) {
    soon();
    if (type === 'entitlements.warning' && data.usage) {
      const names = changed.map((pointer) => pointer.split('/')[2]).filter(Boolean);
      say(`${usageText(data.usage, names.length ? names : undefined) || 'A limit is near'}.`);
    }
    if (type !== 'entitlements.changed') return;
    say('The tier or its limits were changed.');
    onTier();
    if (isOpen) load();
  }

  function showLimits({ limits: all, overrides, ...features }) {
    const line = (name, ...inside) => h('tr', {}, h('th', { scope: 'row' }, words(name)), h('td', {}, inside));
    const has = (name) => line(name, features[name] ? 'yes' : 'no');
    const own = h('span', { class: 'badge asks' }, 'your own');
    const row = ([name, limit]) => line(name, limit === null ? 'no limit' : limit.toLocaleString(),
      Object.hasOwn(overrides, name) && [' ', own.cloneNode(true)]);
    limits.replaceChildren(h('tbody', {}, Object.entries(all).map(row),
      ['custom_models', 'traffic_split', 'approvals'].map(has)));
  }

  async function load(isAction = false) {
    state.replaceChildren();
    if (!tiers.length) state.replaceChildren(bones());
    try {
      const asking = [call('GET', '/v1/entitlements'), call('GET', '/v1/tiers'), readUsage(isAction)];
      const [entitlements, { items }] = await Promise.all(asking);
      tiers = items;
      showLimits(entitlements);
      const before = tier.value;
      tier.replaceChildren(...tiers.map(({ name, limits: { agents } }) => h('option', { value: name },
        `${name}: ${agents === null ? 'any number of agents' : count(agents, 'agent')}${
          name === entitlements.tier ? ' (this is yours)' : ''}`)));
      const at = tiers.findIndex(({ name }) => name === entitlements.tier);
      tier.value = before || tiers[Math.max(at - 1, 0)].name;
      state.replaceChildren();
      byId('plan-body').hidden = false;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      state.replaceChildren(failure(problem, () => load(true)));
    }
  }

  // What another tier would do

  function row({ id, name, effects, violations, published_version: version }) {
    const isKept = keep.has(id);
    const box = h('input', { type: 'checkbox', 'data-keep': id, 'aria-label': `Keep ${name}`, change: () => {
      if (box.checked) keep.set(id, name);
      else keep.delete(id);
      preview();
    } });
    box.checked = isKept;
    const isSuspended = effects.includes('suspended');
    const mark = (effect) => {
      const [text, title] = EFFECTS[effect] ?? [effect];
      return [h('span', { class: `badge ${effect}`, title }, text), ' '];
    };
    return h('tr', { 'data-agent-row': id, 'data-effects': effects.join(' ') },
      h('td', { class: 'keep' }, box),
      h('th', { scope: 'row' }, button(name, () => onAgent(id), { class: 'link' })),
      h('td', {}, effects.length ? effects.map(mark) : h('span', { class: 'badge' }, 'stays in use'),
        isSuspended && version !== null && h('span', { class: 'dim' }, `version ${version} is served all the same`)),
      h('td', {}, violations.map((violation) => shownViolation(violation)),
        !violations.length && h('span', { class: 'dim' }, isKept ? 'kept' : '')));
  }

  function render() {
    const { items, tier: name, usage, active_before: before, active_after: after } = shown;
    const focused = document.activeElement?.dataset.keep;
    const totals = [`${count(shown.suspended, 'agent')} suspended`, `${shown.blocked} blocked`,
      shown.lifted > 0 && `${shown.lifted} in use again`].filter(Boolean);
    const told = new Set(items.map(({ id }) => id));
    // One that is kept may not be affected any more: it can still be let go.
    const kept = [...keep].filter(([id]) => !told.has(id))
      .map(([id, known]) => ({ id, name: known, effects: [], violations: [], published_version: null }));
    const all = [...kept, ...items];
    const blocked = 'The draft of a blocked agent can’t be published until it fits.';
    const head = ['Keep', 'Agent', 'What would happen', 'Why'].map((text) => h('th', { scope: 'col' }, text));
    result.replaceChildren(
      h('p', { id: 'plan-totals', 'data-suspended': shown.suspended },
        h('strong', {}, `On ${name}: ${totals.join(', ')}. `), `${before} in use now, ${after} then.`),
      ...(shown.blocked ? [h('p', { class: 'hint' }, blocked)] : []),
      h('div', { class: 'bars' }, usageBars(usage)),
      ...(all.length ? [h('div', { class: 'wide' }, h('table', { class: 'plan' }, h('thead', {}, h('tr', {}, head)),
        h('tbody', {}, all.map(row))))] : [h('p', { class: 'state' }, 'Nothing would happen to any agent.')]),
      ...(shown.next_cursor ? [button('Load more', () => preview(shown.next_cursor), { id: 'plan-more' })] : []));
    if (focused) result.querySelector(`[data-keep="${focused}"]`)?.focus();
    stale.hidden = true;
  }

  /** Asks what a tier would do. A cursor asks for more of the same answer. */
  async function preview(cursor) {
    const mine = ++asked;
    result.ariaBusy = 'true';
    if (!shown) result.replaceChildren(bones());
    const wanted = keep.size && { keep: [...keep.keys()] };
    const body = { tier: tier.value, limit: PAGE, ...wanted, ...(cursor && { cursor }) };
    try {
      const answer = await call('POST', '/v1/entitlements/preview', { body, isAction: true });
      if (mine !== asked) return;
      shown = { ...answer, items: cursor ? [...shown.items, ...answer.items] : answer.items };
      render();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== asked) return;
      shown = null;
      result.replaceChildren(refusal(problem, {}, button('Try again', () => preview())));
    }
    result.ariaBusy = 'false';
  }

  /** Forgets the answer: another question is next. */
  function forget() {
    asked += 1;
    shown = null;
    keep.clear();
    result.replaceChildren();
    stale.hidden = true;
  }

  /** Forgets everything: another tenant is next. */
  function clear() {
    turn += 1;
    clearTimeout(reading);
    forget();
    tiers = [];
    tier.replaceChildren();
    header.hidden = true;
    byId('plan-body').hidden = true;
  }

  function open() {
    isOpen = true;
    load(true);
    byId('plan-title').focus();
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    preview();
  });
  tier.addEventListener('change', forget);
  byId('plan-again').addEventListener('click', () => preview());
  return { open, load, readUsage, soon, take, clear, close: () => { isOpen = false; } };
}
