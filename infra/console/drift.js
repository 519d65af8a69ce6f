// The "Template" view of an agent: how it and its template have grown apart, and how they come together again.

import { call, Problem } from './api.js';
import { table } from './compare.js';
import { changeList, conflictList } from './conflicts.js';
import { contentOf } from './content.js';
import { bones, button, byId, code, failure, h, say } from './dom.js';
import { shownViolation } from './fields.js';
import { isSame } from './patch.js';
import { refusal } from './risks.js';
import { variableFields } from './variables.js';
import { widen, widener } from './views.js';

const VERSIONS_PAGE = 100;
const TYPING_MS = 400;

const view = byId('view-template');
const [about, picker, upTo, state, body] =
  ['drift-about', 'drift-form', 'drift-version', 'drift-state', 'drift-body'].map(byId);
const [ours, theirs, both, values] = ['drift-agent', 'drift-template', 'drift-conflicts', 'drift-values'].map(byId);
const [offer, ask, apply, refused, result] =
  ['upgrade', 'upgrade-preview', 'upgrade-apply', 'upgrade-refused', 'upgrade-result'].map(byId);

/**
 * `attempt(action, place)`, `changed(agent, isReplaced)` and `mayLeave()` are as in `versionsPanel`;
 * `onTemplate(id)` leads to the template.
 */
export function driftPanel({ attempt, changed, mayLeave, onTemplate }) {
  let agent;
  let template;
  let drift;
  /** What the view was read for. */
  let listed;
  let turn = 0;
  let asking = 0;
  let waiting;
  let fields;
  /** The values as the fields show those that the agent was made with. */
  let before = {};
  const conflicts = conflictList(both, () => stale());

  const path = (rest) => `/v1/templates/${agent.template.id}${rest}`;
  const isSameVersion = () => drift.from_version === drift.to_version;

  /** The values that were changed here: null takes one back to its default. */
  function given() {
    const { values: now, mistakes } = fields.read();
    const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
    const others = names.filter((name) => !isSame(before[name], now[name]));
    return { mistakes, variables: Object.fromEntries(others.map((name) => [name, now[name] ?? null])) };
  }

  function wanted() {
    const { mistakes, variables } = given();
    fields.place(mistakes);
    if (mistakes.length) {
      fields.focus(mistakes[0].pointer.split('/')[2]);
      return undefined;
    }
    const hasValues = Object.keys(variables).length > 0;
    const others = hasValues && { variables };
    return { agent_id: agent.id, version: drift.to_version, ...others, ...conflicts.chosen() };
  }

  // What is shown

  function showAbout() {
    const { version } = agent.template;
    const latest = template.published_version;
    const link = button(template.name, () => onTemplate(template.id), { class: 'link', id: 'drift-open' });
    about.replaceChildren('Made from ', link, `, version ${version}. `, version < latest
      ? h('span', { class: 'badge asks' }, `version ${latest} is there`)
      : h('span', { class: 'dim' }, 'That is the newest one.'));
  }

  function showValues(found) {
    const link = agent.template.variables;
    fields = variableFields(found.variables, { values: [link], prefix: 'upgrade', onInput: soon });
    fields.fill(link);
    // What was not given is no value that could be taken back, whatever its field shows.
    const read = Object.entries(fields.read().values);
    before = Object.fromEntries(read.filter(([name]) => Object.hasOwn(link, name)));
    const needed = drift.unresolved.filter((name) => !read.some(([known]) => known === name));
    const missing = needed.length > 0;
    values.hidden = !found.variables.length;
    values.open = missing;
    values.querySelector('.dim').textContent = missing
      ? `version ${drift.to_version} asks for more` : 'those that the agent was made with';
    values.lastElementChild.replaceChildren(fields.element);
    if (missing) {
      fields.place(needed.map((name) => (
        { pointer: `/variables/${name}`, code: 'required', detail: 'this version needs a value here' })));
    }
  }

  function showDrift() {
    const { agent_changes: mine, template_changes: news, unresolved, dropped } = drift;
    const { from_version: from, to_version: to } = drift;
    const dropping = dropped.map((name, index) => [index > 0 && ', ', code(name)]);
    ours.replaceChildren(...changeList('What the agent changed', mine,
      `Nothing: it is as version ${from} made it.`, ['version', 'agent'], from));
    const unknown = unresolved.length ? 'That can be told once the values below are complete.' : undefined;
    theirs.hidden = isSameVersion();
    theirs.replaceChildren(...changeList(`What the template changed, from version ${from} to ${to}`, news,
      unknown ?? 'Nothing that this agent would notice.', ['version', 'version'], from, to));
    const lost = h('p', { class: 'hint' }, 'It has no variable any more for: ', dropping, '.');
    if (dropped.length) theirs.append(lost);
    conflicts.show(drift.conflicts, isSameVersion() || unresolved.length > 0);
    showOffer();
  }

  function showOffer() {
    const isArchived = agent.status === 'archived';
    const hasWish = !isSameVersion() || Object.keys(given().variables).length > 0;
    offer.hidden = !hasWish || isArchived;
    apply.textContent = isSameVersion() ? 'Apply the values' : drift.to_version < drift.from_version
      ? `Go back to version ${drift.to_version}` : `Upgrade to version ${drift.to_version}`;
    byId('upgrade-archived').hidden = !isArchived;
  }

  function render(found, versions) {
    const number = String(drift.to_version);
    upTo.replaceChildren(...versions.map(({ version, title }) => (
      h('option', { value: version }, title ? `v${version} · ${title}` : `version ${version}`))));
    upTo.value = number;
    picker.hidden = versions.length < 2;
    showAbout();
    showValues(found);
    showDrift();
    state.replaceChildren();
    body.hidden = false;
  }

  async function read(version, isAction = true) {
    const mine = ++turn;
    view.ariaBusy = 'true';
    forgetPreview();
    if (body.hidden) state.replaceChildren(bones());
    try {
      const asked = { agent_id: agent.id, ...(version && { version }) };
      const [found, { items }, answer] = await Promise.all([
        call('GET', path('')), call('GET', path(`/versions?limit=${VERSIONS_PAGE}`)),
        call('POST', path('/drift'), { body: asked, isAction }),
      ]);
      const of = await call('GET', path(`/versions/${answer.to_version}`));
      if (mine !== turn) return;
      [template, drift] = [found, answer];
      render(of, items);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== turn) return;
      body.hidden = true;
      picker.hidden = true;
      about.textContent = `Made from version ${agent.template.version} of a template.`;
      const gone = [h('p', {}, h('strong', {}, 'The template is not there any more.')),
        h('p', {}, 'The agent stays as it is, and follows nothing.')];
      state.replaceChildren(problem.status === 404 ? h('div', { class: 'state', role: 'alert' }, gone)
        : failure(problem, () => read(version)));
    }
    if (mine === turn) view.ariaBusy = 'false';
  }

  // The upgrade

  function showPreview(answer) {
    const { patch, violations, dropped, conflicts: found } = answer;
    conflicts.show(found, isSameVersion());
    const rest = conflicts.place(violations);
    const isNews = patch.length > 0;
    const summary = isNews ? `${patch.length} ${patch.length === 1 ? 'place changes' : 'places change'} in the agent.`
      : 'The agent stays as it is, and follows the other version from then on.';
    const undecided = found.filter(({ taken }) => !taken).length;
    const open = `${undecided} ${undecided === 1 ? 'conflict is' : 'conflicts are'} not decided.`;
    result.replaceChildren(...[
      h('p', { 'data-preview': 'upgrade', 'data-patch': patch.length }, h('strong', {}, summary)),
      undecided > 0 && h('p', { class: 'notice' }, `${open} Until then this shows the agent’s side there.`),
      rest.length > 0 && h('div', { class: 'notice bad' }, h('p', {}, h('strong', {}, 'This would be refused.')),
        rest.map((violation) => shownViolation(violation))),
      dropped.length > 0 && h('p', { class: 'hint' }, `Values that it forgets: ${dropped.join(', ')}.`),
      isNews && table('the agent now', 'after the upgrade', contentOf(agent), contentOf(answer.agent)).element,
      isNews && h('details', {}, h('summary', {}, 'As a JSON Patch'),
        h('pre', { tabindex: '0', role: 'group', 'aria-label': 'JSON Patch' }, JSON.stringify(patch, null, 2))),
    ].filter(Boolean));
    result.hidden = false;
  }

  function showRefusal(problem) {
    const rest = conflicts.place(fields.place(problem.errors));
    if (fields.element.querySelector('[aria-invalid="true"]')) values.open = true;
    const message = problem.code === 'merge_conflict' ? 'Choose above whose value to take.' : problem.message;
    const told = { ...problem, message, errors: rest };
    view.querySelector('[aria-invalid="true"]')?.focus();
    return refusal(told);
  }

  /** What was chosen for a conflict that is none any more, with other values, is left out. */
  async function asked(said) {
    const send = (content) => call('POST', path('/upgrade?preview=true'), { body: content, isAction: true });
    try {
      return await send(said);
    } catch (problem) {
      if (!problem.errors?.some(({ code: name }) => name === 'no_conflict')) throw problem;
      conflicts.forget();
      return send({ ...said, resolutions: {} });
    }
  }

  async function preview() {
    clearTimeout(waiting);
    const said = wanted();
    if (!said) return;
    const mine = ++asking;
    refused.replaceChildren();
    result.ariaBusy = 'true';
    try {
      const answer = await asked(said);
      if (mine === asking) showPreview(answer);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== asking) return;
      result.hidden = true;
      refused.replaceChildren(showRefusal(problem));
    }
    result.ariaBusy = 'false';
  }

  function forgetPreview() {
    asking += 1;
    clearTimeout(waiting);
    result.hidden = true;
    result.replaceChildren();
    refused.replaceChildren();
  }

  /** Something was chosen: a preview that is shown follows. */
  function stale() {
    refused.replaceChildren();
    conflicts.place([]);
    if (!result.hidden) preview();
  }

  function soon() {
    showOffer();
    clearTimeout(waiting);
    waiting = setTimeout(stale, TYPING_MS);
  }

  function upgrade() {
    const said = wanted();
    if (!said) return undefined;
    return attempt(async () => {
      if (!await mayLeave()) return;
      const { to_version: to } = drift;
      const answer = await call('POST', path('/upgrade'), { body: said, rev: agent.rev, isAction: true });
      conflicts.forget();
      widen(false);
      changed(answer.agent, true);
      say(`The agent follows version ${to} now. Nothing is published by that.`);
    }, refused, showRefusal);
  }

  /** Shows an agent, or a newer state of the same one. */
  function show(shown) {
    const isOther = shown.id !== agent?.id;
    agent = shown;
    const now = { id: agent.id, template: agent.template, content: contentOf(agent), status: agent.status };
    if (isSame(now, listed)) return;
    if (isOther) {
      conflicts.forget();
      body.hidden = true;
      about.replaceChildren();
      picker.hidden = true;
    }
    const isFollowing = isSame(now.template, listed?.template);
    listed = now;
    read(!isOther && isFollowing && upTo.value ? Number(upTo.value) : undefined, isOther);
  }

  /** The template has another version, or is gone. */
  function reread() {
    listed = undefined;
  }

  /** Forgets the agent. */
  function clear() {
    turn += 1;
    [agent, listed] = [undefined, undefined];
    forgetPreview();
  }

  picker.addEventListener('change', () => {
    conflicts.forget();
    read(Number(upTo.value));
  });
  picker.addEventListener('submit', (event) => event.preventDefault());
  ask.addEventListener('click', preview);
  apply.addEventListener('click', upgrade);
  widener(byId('drift-full'));
  return { show, reread, clear };
}
