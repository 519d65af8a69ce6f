// A template's page: what it is, its versions, the agents that were made from it, and how one is made.

import { call, Problem } from './api.js';
import { bones, button, byId, code, failure, h, say, time } from './dom.js';
import { maker } from './instantiate.js';
import { isSame } from './patch.js';
import { refusal } from './risks.js';
import { widener } from './views.js';

const VERSIONS_PAGE = 100;
const AGENTS_PAGE = 50;
const DRAFT = 'draft';
const BURST_MS = 300;

const view = byId('template');
const [title, marks, facts, about] =
  ['template-title', 'template-marks', 'template-facts', 'template-about'].map(byId);
const [state, body, foot, told] = ['template-state', 'template-body', 'template-foot', 'template-told'].map(byId);
const [own, versionsOf, agentsOf, picker] =
  ['template-own', 'template-versions', 'template-agents', 'template-version'].map(byId);

/** Badges of a template: its kind, which is its first tag, and whose it is. */
export const badges = ({ tags, visibility }) => [
  tags.length > 0 && h('span', { class: 'badge kind' }, tags[0]),
  h('span', { class: `badge ${visibility}` }, visibility === 'private' ? 'your own' : 'public'),
];

/**
 * `onClose()` when the gallery is asked for, `onCreated(agent)` when an agent was made, `onAgent(id)` when one is
 * asked for, `onChanged()` when the template was published here, `onGone(id)` when it was deleted here.
 * `nameOf(id)` names an agent.
 */
export function templatePage({ onClose, onCreated, onAgent, onChanged, onGone, nameOf }) {
  let template = null;
  let versions = [];
  /** The version that is shown: its number or the draft, and what it says. */
  let chosen = null;
  /** Whether a reader has chosen it: otherwise the newest is shown. */
  let isPicked = false;
  let content = null;
  let wanted;
  let turn = 0;
  let reading;
  let isBusy = false;
  const make = maker({ onCreated });

  const path = (rest = '') => `/v1/templates/${wanted}${rest}`;
  const isOwn = () => template.visibility === 'private';

  /** Names the agents that were made from it. */
  function dependents({ title: text, errors }) {
    const ids = errors.map(({ detail }) => /agt_\w+/.exec(detail)?.[0]).filter(Boolean);
    const links = ids.map((id, index) => [index > 0 && ', ', button(nameOf(id), () => onAgent(id), { class: 'link' })]);
    return h('div', { class: 'notice bad', role: 'alert', 'data-code': 'has_dependents' },
      h('p', {}, h('strong', {}, `${text}. `), 'These were made from it, and would follow nothing: ', links, '.'),
      button('Delete it all the same', () => erase(true), { class: 'danger', id: 'template-delete-anyway' }));
  }

  /** One action at a time. What it is refused for is told. */
  async function run(action) {
    if (isBusy) return;
    isBusy = true;
    told.replaceChildren();
    try {
      await action();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      told.replaceChildren(problem.code === 'has_dependents' ? dependents(problem) : refusal(problem));
      told.scrollIntoView({ block: 'nearest' });
    } finally {
      isBusy = false;
    }
  }

  // The template's own actions: of a public one there are none

  function publish() {
    return run(async () => {
      const { minted, version } = await call('POST', path('/publish'), { rev: template.rev, isAction: true });
      const number = version.version;
      say(minted ? `There is a new version: ${number}.` : `Nothing had changed since version ${number}.`);
      isPicked = false;
      onChanged();
      await read();
    });
  }

  function erase(isForced) {
    return run(async () => {
      const { name } = template;
      await call('DELETE', path(isForced ? '?force=true' : ''), { rev: template.rev, isAction: true });
      say(`“${name}” was deleted.`);
      onGone(wanted);
    });
  }

  function showOwn() {
    own.hidden = !isOwn();
    if (own.hidden) return;
    const isNews = template.unpublished_changes || template.published_version === null;
    const ask = () => {
      const no = button('Cancel', showOwn);
      own.replaceChildren(h('strong', {}, `Delete “${template.name}” and its versions for good?`),
        button('Delete', () => erase(false), { class: 'danger', id: 'template-delete-yes' }), no);
      no.focus();
    };
    own.replaceChildren(
      isNews ? button('Publish', publish, { id: 'template-publish' })
        : h('span', { class: 'dim' }, 'All is published.'),
      button('Delete…', ask, { class: 'danger', id: 'template-delete' }));
  }

  // What is shown

  function versionRow({ version, title: name, notes, published_at: at, published_by: by }) {
    return h('li', { 'data-version': version },
      h('p', {}, h('strong', {}, name ? `v${version} · ${name}` : `v${version}`), ' ',
        h('span', { class: 'dim' }, time(at), ` by ${by}`)),
      notes && h('p', { class: 'notes' }, notes));
  }

  function render() {
    const { name, description, variables, published_version: version, updated_at: at, tags } = template;
    title.textContent = name;
    marks.replaceChildren(...badges(template));
    const parts = [code(template.id), version === null ? 'not published' : `version ${version}`,
      version !== null && template.unpublished_changes && 'changed since', ['changed ', time(at)],
      `${variables.length} ${variables.length === 1 ? 'variable' : 'variables'}`, tags.join(', ')];
    facts.replaceChildren(...parts.filter(Boolean).map((part) => h('span', {}, part)));
    about.textContent = description ?? '';
    versionsOf.querySelector('ol').replaceChildren(...versions.map(versionRow));
    versionsOf.querySelector('.number').textContent = versions.length;
    versionsOf.hidden = !versions.length;
    const hasDraft = isOwn() && (template.unpublished_changes || version === null);
    const numbers = versions.map(({ version: number }) => h('option', { value: number }, `version ${number}`));
    picker.replaceChildren(...numbers, ...(hasDraft ? [h('option', { value: DRAFT }, DRAFT)] : []));
    const isThere = [...picker.options].some(({ value }) => value === chosen);
    if (!isThere || !isPicked) chosen = version === null ? DRAFT : String(version);
    picker.value = chosen;
    showOwn();
    state.replaceChildren();
    body.hidden = false;
    foot.hidden = false;
  }

  /** Shows what the chosen version asks for. What was typed stays if that is the same as before. */
  async function showVersion() {
    const mine = turn;
    const latest = String(template.published_version);
    const isCurrent = chosen === DRAFT || (chosen === latest && !template.unpublished_changes);
    const found = isCurrent ? template : await call('GET', path(`/versions/${chosen}`));
    if (mine !== turn) return;
    const { variables, agent, example } = found;
    const isSameContent = isSame(content, { id: wanted, variables, agent, example });
    content = { id: wanted, variables, agent, example };
    make.show({ id: wanted, version: chosen === DRAFT ? null : Number(chosen), ...content }, isSameContent);
  }

  async function read(isAction) {
    const mine = ++turn;
    view.ariaBusy = 'true';
    try {
      const pages = call('GET', path(`/versions?limit=${VERSIONS_PAGE}`));
      const [found, { items }] = await Promise.all([call('GET', path(), { isAction }), pages]);
      if (mine !== turn) return;
      [template, versions] = [found, items];
      render();
      await showVersion();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== turn) return;
      hide();
      state.replaceChildren(failure(problem, problem.status !== 404 && (() => read(isAction))));
    }
    if (mine === turn) view.ariaBusy = 'false';
  }

  function hide() {
    for (const place of [body, foot, own]) place.hidden = true;
    for (const place of [marks, facts]) place.replaceChildren();
    title.textContent = 'Template';
  }

  /** Shows a template. One that is shown already stays as it is, with what was typed. */
  function open(id) {
    view.hidden = false;
    if (id === wanted && template) {
      title.focus();
      return undefined;
    }
    forget();
    wanted = id;
    hide();
    state.replaceChildren(bones());
    title.focus();
    return read(true);
  }

  function close() {
    view.hidden = true;
  }

  function forget() {
    turn += 1;
    clearTimeout(reading);
    [template, versions, chosen, content, wanted] = [null, [], null, null, undefined];
    isPicked = false;
    told.replaceChildren();
    for (const details of [versionsOf, agentsOf]) details.open = false;
    agentsOf.lastElementChild.replaceChildren();
    make.clear();
  }

  /** Forgets everything: another tenant's templates are next. */
  function clear() {
    forget();
    close();
  }

  /** Something happened to a template elsewhere, or here. */
  function take(type, { id }) {
    if (id !== wanted || isBusy) return;
    clearTimeout(reading);
    if (type === 'template.deleted') {
      hide();
      template = null;
      state.replaceChildren(h('p', { class: 'state' }, 'This template was deleted. The agents made from it stay.'));
    } else {
      reading = setTimeout(read, BURST_MS);
    }
  }

  async function showAgents(cursor) {
    const place = agentsOf.lastElementChild;
    const mine = turn;
    if (!cursor) place.replaceChildren(bones());
    try {
      const query = new URLSearchParams({ limit: AGENTS_PAGE, ...(cursor && { cursor }) });
      const { items, next_cursor: next } = await call('GET', path(`/agents?${query}`), { isAction: true });
      if (mine !== turn) return;
      if (!cursor) place.replaceChildren();
      place.querySelector('.more')?.remove();
      place.append(...items.map(({ id, name, status }) => h('p', { 'data-agent-of': id },
        button(name, () => onAgent(id), { class: 'link' }),
        status !== 'active' && [' ', h('span', { class: `badge ${status}` }, status)])));
      const none = 'None yet. One that was just made shows up after a moment.';
      if (next) place.append(button('Load more', () => showAgents(next), { class: 'more' }));
      else if (!place.children.length) place.append(h('p', { class: 'dim' }, none));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === turn) place.replaceChildren(failure(problem, () => showAgents()));
    }
  }

  picker.addEventListener('change', () => {
    chosen = picker.value;
    isPicked = true;
    run(showVersion);
  });
  agentsOf.addEventListener('toggle', () => { if (agentsOf.open && wanted) showAgents(); });
  byId('template-close').addEventListener('click', onClose);
  widener(byId('template-full'));
  view.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    onClose();
  });
  return { open, close, clear, take, shown: () => (view.hidden ? undefined : wanted) };
}
