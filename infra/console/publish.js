// Publishing: what a version of the draft would change against `live`, and what became of it.

import { call, Problem } from './api.js';
import { bones, button, byId, h, time } from './dom.js';
import { badge, counted, isApproval, refusal, riskList } from './risks.js';
import { routesText } from './shares.js';

const form = byId('publish-form');
const [changes, refused, result, release] =
  ['publish-changes', 'publish-refused', 'publish-result', 'publish-release'].map(byId);
const [title, notes, confirm, unsaved] =
  ['publish-name', 'publish-notes', 'publish-confirm', 'publish-unsaved'].map(byId);

const isOnly = (alias, version) => alias?.routes.length === 1 && alias.routes[0].version === version;

/** What the policy in force says of a risk. */
function verdict(policy, { class: name }) {
  if (policy.refuse?.includes(name)) return 'refused';
  return policy.approve?.includes(name) ? 'another user decides' : '';
}

/**
 * `attempt(action, place)` does something with the agent and shows in `place` why it was refused,
 * `reread()` reads the agent after it was changed, `isUnsaved()` tells of text that is not saved,
 * `mend(problem)` shows what the draft itself is refused for. `onCompare(from, to)` and
 * `onApprovals(id)` lead elsewhere.
 */
export function publishing({ attempt, reread, isUnsaved, mend, onCompare, onApprovals }) {
  let agent;
  /** The state that was looked at: only that is published. */
  let seen;
  let turn = 0;

  const live = () => agent.aliases.live;

  function told(...inside) {
    changes.replaceChildren(...inside.flat().filter(Boolean));
  }

  /** Nothing of what is there now needs a version, or `live` may be all that changes. */
  function showUnchanged() {
    const version = agent.published_version;
    release.hidden = true;
    confirm.disabled = isOnly(live(), version);
    const nothing = `There is nothing to publish: the draft is version ${version}, and live leads to it.`;
    told(confirm.disabled
      ? h('p', { 'data-outcome': 'nothing' }, nothing)
      : h('p', {}, `The draft is version ${version} already, so there will be no new one. live, which leads to `,
        h('strong', {}, routesText(live().routes)), ', will lead to it.'));
  }

  function showRisks({ from, patch, risks }) {
    const { routes, paused: isPaused, policy } = live();
    const verdicts = risks.map((risk) => verdict(policy, risk));
    const compare = () => onCompare('live', 'draft');
    const more = (risk) => {
      const said = verdict(policy, risk);
      return said && h('span', { class: `badge ${said === 'refused' ? 'refused' : 'asks'}` }, said);
    };
    const who = routes.length > 1 ? 'most of live' : 'live';
    const isRefused = verdicts.includes('refused');
    const hint = (...said) => h('p', { class: 'hint' }, said);
    told(
      h('p', {}, h('strong', {}, `Against version ${from}, which ${who} leads to: ${counted(risks)}. `),
        `${patch.length} ${patch.length === 1 ? 'place differs' : 'places differ'}.`),
      riskList(risks, { more, hasRules: false }),
      isRefused && h('p', { class: 'mistake' }, 'live’s policy refuses such a change.'),
      !isRefused && verdicts.some(Boolean)
        && hint('live’s policy asks another user before live leads to the new version.'),
      routes.length > 1 && hint(`live is split (${routesText(routes)}). All of it will lead to the new version.`),
      isPaused && hint('live is paused, and stays so.'),
      h('p', {}, button('Compare side by side', compare, { id: 'publish-compare' })),
    );
  }

  /** Shows what publishing would change. What was typed stays. */
  async function look() {
    const mine = ++turn;
    seen = agent.rev;
    release.hidden = false;
    confirm.disabled = agent.status !== 'active';
    unsaved.hidden = !isUnsaved();
    const say = (text) => told(h('p', {}, text));
    if (agent.status !== 'active') return say(`This agent is ${agent.status}, so it can’t be published.`);
    if (!agent.unpublished_changes) return showUnchanged();
    if (!live()) return say('Nothing is published yet: this will be the first version, and live will lead to it.');
    if (!changes.children.length) told(bones());
    try {
      const diff = await call('GET', `/v1/agents/${agent.id}/diff?from=live&to=draft`);
      if (mine === turn) showRisks(diff);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === turn) told(refusal(problem, {}, button('Try again', look)));
    }
  }

  function open() {
    if (form.hidden) {
      changes.replaceChildren();
      refused.replaceChildren();
      result.replaceChildren();
      form.hidden = false;
      form.scrollIntoView({ block: 'nearest' });
    }
    look();
    (confirm.disabled ? byId('publish-cancel') : release.hidden ? confirm : title).focus();
  }

  function close() {
    turn += 1;
    form.hidden = true;
    form.reset();
    refused.replaceChildren();
  }

  function report(outcome, ...inside) {
    const kind = outcome === 'asked' ? 'notice' : 'notice good';
    result.replaceChildren(h('div', { class: kind, 'data-outcome': outcome }, inside));
    result.firstChild.scrollIntoView({ block: 'nearest' });
  }

  function done({ minted: isNew, version: { version }, live: now, approval }) {
    const unchanged = `Nothing had changed: the draft is version ${version} already.`;
    const first = isNew ? `There is a new version: ${version}.` : unchanged;
    if (isApproval(approval)) {
      report('asked', h('p', {}, h('strong', {}, `${first} `), 'live leads to it once another user accepts, until ',
        time(approval.expires_at), ' at the latest.'), h('p', {}, approval.risks.map((risk) => [badge(risk), ' '])),
      h('p', {}, button('Show the approval', () => onApprovals(approval.id), { id: 'publish-approval' })));
    } else {
      const isPaused = now?.paused && ' It is paused, so nobody gets it for now.';
      const said = h('p', {}, h('strong', {}, `${first} `), 'live leads to it now.', isPaused);
      report(isNew ? 'minted' : 'unchanged', said);
    }
  }

  async function publish() {
    refused.replaceChildren();
    const said = release.hidden ? [] : [['title', title.value.trim()], ['notes', notes.value.trim()]];
    const body = Object.fromEntries(said.filter(([, text]) => text));
    await attempt(async () => {
      try {
        const answer = await call('POST', `/v1/agents/${agent.id}/publish`, { body, rev: seen, isAction: true });
        close();
        await reread(answer.approval);
        byId('publish').focus();
        done(answer);
      } catch (problem) {
        if (problem.code !== 'entitlement_exceeded') throw problem;
        mend(problem);
      }
    }, refused);
  }

  /** Follows the agent. What would be published may have become something else. */
  function show(shown) {
    const isOther = shown.id !== agent?.id;
    const isMoved = shown.rev !== agent?.rev;
    agent = shown;
    if (isOther) close();
    else if (isMoved && !form.hidden) look();
    // What is said of the last publication is about the state that it left.
    if (isMoved) result.replaceChildren();
    unsaved.hidden = !isUnsaved();
  }

  /** Forgets the agent. */
  function clear() {
    close();
    result.replaceChildren();
    agent = undefined;
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    publish();
  });
  function cancel() {
    close();
    byId('publish').focus();
  }

  byId('publish-cancel').addEventListener('click', cancel);
  form.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    cancel();
  });
  return { show, open, clear };
}
