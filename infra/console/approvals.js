// The approvals: changes of aliases that wait for another user, and those that were decided.

import { call, Problem, whoAmI } from './api.js';
import { bones, button, byId, code, failure, h, say, time } from './dom.js';
import { policyText, isSamePolicy } from './policy.js';
import { badge, refusal } from './risks.js';
import { heaviest, routesText } from './shares.js';

const PAGE = 20;
/** With a state, a page may be short, or empty, before the last: larger ones, and so many at once. */
const PENDING_PAGE = 100;
const PAGES_MAX = 10;
const BURST_MS = 200;

const [pending, decided, state, decidedTitle, more] =
  ['approvals', 'approvals-decided', 'approvals-state', 'approvals-decided-title', 'more-approvals'].map(byId);

const isPending = (approval) => approval.state === 'pending';

/** The two versions to compare for a decision: what is got now, and what is new. */
function sides({ before, after }) {
  const had = before.routes.map(({ version }) => version);
  const added = after.routes.filter(({ version }) => !had.includes(version));
  return [heaviest(before.routes).version, heaviest(added.length ? added : after.routes).version].map(String);
}

/**
 * `nameOf(id)` names an agent, `onSelect(id)` when one is asked for, `onCompare(id, from, to)` when its
 * versions are, `onCount(number)` when another number of approvals is pending.
 */
export function approvalsPanel({ nameOf, onSelect, onCompare, onCount }) {
  const known = new Map();
  let next = null;
  /** Whether there may be older ones that wait. */
  let isCut = false;
  let me;
  let wanted;
  let turn = 0;
  let reading;
  let isBusy = false;

  function differences({ before, after }) {
    const [was, is] = [before, after].map(({ routes }) => routesText(routes));
    const [ruled, rules] = [before, after].map(({ policy }) => policyText(policy));
    const isOther = !isSamePolicy(before.policy, after.policy);
    return [
      was !== is && h('p', { class: 'moves' }, h('del', {}, code(was)), ' → ', h('ins', {}, code(is))),
      before.paused !== after.paused && h('p', {}, after.paused ? 'It is paused.' : 'It is resumed.'),
      isOther && h('p', {}, ruled === rules ? `Its policy is another: ${rules}.` : `Its policy: ${ruled} → ${rules}.`),
    ];
  }

  function actions(approval) {
    if (!isPending(approval)) return [];
    const place = h('div');
    if (approval.requested_by === me) {
      return [h('p', { class: 'hint own' }, 'You asked for this: another user decides.'), place];
    }
    const id = `reason-${approval.id}`;
    const reason = h('input', { id, autocomplete: 'off', maxlength: 2000 });
    const show = (isRejecting) => {
      form.hidden = !isRejecting;
      choices.hidden = isRejecting;
      (isRejecting ? reason : choices.querySelector('.reject')).focus();
    };
    const submit = (event) => {
      event.preventDefault();
      const text = reason.value.trim();
      decide(approval, 'reject', text ? { reason: text } : {}, place);
    };
    const keydown = (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      show(false);
    };
    const form = h('form', { class: 'reject-form', hidden: true, submit, keydown },
      h('label', { for: id }, 'Why not? (optional)'), reason,
      h('p', { class: 'choices' }, h('button', { class: 'danger reject-confirm' }, 'Reject'),
        button('Cancel', () => show(false))));
    const named = { 'data-approval': approval.id };
    const choices = h('p', { class: 'choices' },
      button('Accept', () => decide(approval, 'accept', undefined, place), { class: 'primary accept', ...named }),
      button('Reject…', () => show(true), { class: 'danger reject', ...named }));
    return [choices, form, place];
  }

  function card(approval) {
    const { id, agent_id: agent, after, risks, requested_by: by, requested_at: at, expires_at: end } = approval;
    const { state: now, decided_by: decider, decided_at: then, reason } = approval;
    const [from, to] = sides(approval);
    const decision = now === 'accepted' ? 'Accepted' : 'Rejected';
    const loosened = h('span', { class: 'dim' }, 'The policy itself is loosened.');
    const compare = () => onCompare(agent, from, to);
    return h('li', { class: 'card approval', 'data-approval': id, 'data-state': now, tabindex: '-1' },
      h('p', { class: 'title' }, button(h('strong', {}, nameOf(agent)), () => onSelect(agent), { class: 'link' }),
        ' ', code(after.name), ' ', h('span', { class: `badge ${now}` }, now)),
      differences(approval),
      h('p', {}, risks.length ? risks.map((risk) => [badge(risk), ' ']) : loosened),
      h('p', { class: 'dim' }, `Asked for by ${by}, `, time(at), isPending(approval) && ['; expires ', time(end)]),
      then && h('p', { class: 'dim' }, `${decision} by ${decider}, `, time(then), reason && `: “${reason}”`),
      from !== to && h('p', {}, button('What changes', compare, { class: 'what-changes' })),
      actions(approval));
  }

  function render() {
    const all = [...known.values()].sort((one, other) => (one.requested_at < other.requested_at ? 1 : -1));
    const waiting = all.filter(isPending);
    const past = all.filter((approval) => !isPending(approval));
    // What is being typed stays: a card whose approval is as it was is kept.
    const fill = (list, approvals) => {
      const cards = new Map([...list.children].map((found) => [found.dataset.approval, found]));
      const kept = ({ id, state: now }) => {
        const found = cards.get(id);
        if (found?.dataset.state !== now) return undefined;
        const isInUse = found.contains(document.activeElement) || found.querySelector('.reject-form:not([hidden])');
        return isInUse && found;
      };
      list.replaceChildren(...approvals.map((approval) => kept(approval) || card(approval)));
    };
    const focused = document.activeElement;
    fill(pending, waiting);
    fill(decided, past);
    if (focused?.isConnected && focused !== document.activeElement) focused.focus();
    decidedTitle.hidden = !past.length;
    more.hidden = !next;
    state.replaceChildren();
    if (isCut) state.append(h('p', { class: 'hint state' }, 'Only the newest are read: older ones may wait, too.'));
    else if (!waiting.length) {
      state.append(h('div', { class: 'state' }, h('p', {}, 'Nothing waits for a decision.'),
        h('p', {}, 'A change of an alias whose policy asks another user shows up here.')));
    }
    onCount(waiting.length);
  }

  /** Reads pages until one has something, and gives the cursor behind it. */
  async function page(query, found) {
    let cursor = query.cursor ?? null;
    for (let count = 0; count < PAGES_MAX; count += 1) {
      const asked = new URLSearchParams({ limit: query.state ? PENDING_PAGE : PAGE, ...query, ...(cursor && { cursor }) });
      const isAction = Boolean(query.cursor);
      const { items, next_cursor: after } = await call('GET', `/v1/approvals?${asked}`, { isAction });
      items.forEach((approval) => found.set(approval.id, approval));
      cursor = after;
      // All that is pending is shown; of the others, a page at a time.
      if (!cursor || (!query.state && items.length)) break;
    }
    return cursor;
  }

  /** Reads what is pending, and what was decided last. What stands there stays until it came. */
  async function load() {
    const mine = ++turn;
    pending.ariaBusy = 'true';
    if (!known.size) state.replaceChildren(bones());
    const found = new Map();
    try {
      const asked = [whoAmI(), page({}, found), page({ state: 'pending' }, found)];
      const [who, after, unread] = await Promise.all(asked);
      if (mine !== turn) return;
      [me, next, isCut] = [who, after, unread !== null];
      known.clear();
      for (const [id, approval] of found) known.set(id, approval);
      render();
      if (wanted) focus(wanted);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === turn) state.replaceChildren(failure(problem, load));
    }
    if (mine === turn) pending.ariaBusy = 'false';
  }

  async function decide(approval, verb, body, place) {
    if (isBusy) return;
    isBusy = true;
    place.replaceChildren();
    try {
      const now = await call('POST', `/v1/approvals/${approval.id}/${verb}`, { body, isAction: true });
      known.set(now.id, now);
      document.activeElement?.blur();
      render();
      focus(now.id);
      say(verb === 'accept' ? `Accepted: ${now.after.name} leads to ${routesText(now.after.routes)}.` : 'Rejected.');
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      place.replaceChildren(refusal(problem, {}, problem.status === 409 && button('Read it again', load)));
    } finally {
      isBusy = false;
    }
  }

  /** Something happened to an approval. Such events come in bursts, too. */
  function take() {
    clearTimeout(reading);
    reading = setTimeout(load, BURST_MS);
  }

  /** Puts the focus on an approval, now or when it was read. */
  function focus(id) {
    const found = document.querySelector(`.approval[data-approval="${CSS.escape(id)}"]`);
    wanted = found ? undefined : id;
    found?.focus({ preventScroll: true });
    found?.scrollIntoView({ block: 'nearest' });
  }

  /** Agents are named by what is known of them, which may be more than it was. */
  function rename() {
    for (const found of document.querySelectorAll('.approval')) {
      const { agent_id: agent } = known.get(found.dataset.approval) ?? {};
      if (agent) found.querySelector('.title strong').textContent = nameOf(agent);
    }
  }

  /** Forgets everything: another tenant's approvals, or another user, are next. */
  function clear() {
    turn += 1;
    clearTimeout(reading);
    known.clear();
    [next, wanted] = [null, undefined];
    for (const list of [pending, decided, state]) list.replaceChildren();
    decidedTitle.hidden = true;
    more.hidden = true;
    onCount(0);
  }

  more.addEventListener('click', async () => {
    more.disabled = true;
    try {
      next = await page({ cursor: next }, known);
      render();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      state.replaceChildren(failure(problem));
    }
    more.disabled = false;
  });
  return { load, take, focus, rename, clear, agentOf: (id) => known.get(id)?.agent_id };
}
