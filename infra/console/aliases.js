// The "Aliases" view: what an agent's aliases lead to, new ones, and what a conversation would get.

import { call, Problem } from './api.js';
import { aliasCard } from './alias.js';
import { button, byId, h, say, time } from './dom.js';
import { isApproval, refusal } from './risks.js';
import { routesText } from './shares.js';

/** The most versions that are offered to choose from. */
const OFFERED_MAX = 100;

const [list, state, hint] = ['aliases', 'aliases-state', 'aliases-hint'].map(byId);
const [create, newName, newVersion, createRefused] =
  ['alias-form', 'alias-name', 'alias-version', 'alias-refused'].map(byId);
const [probe, probed, conversation, result] =
  ['probe-form', 'probe-alias', 'probe-conversation', 'probe-result'].map(byId);

/** See `publishing`; besides, `ask(text, verb)` asks, and `onPublish()` leads to publishing. */
export function aliasesPanel({ attempt, reread, ask, onApprovals, onPublish }) {
  let agent;
  let offered = [];
  let read;
  let turn = 0;
  let probing = 0;
  const cards = new Map();

  const path = (name) => `/v1/agents/${agent.id}/aliases/${name}`;
  const titles = () => new Map(offered.map(({ version, title }) => [version, title]));
  const nameOf = (version) => {
    const title = titles().get(version);
    return title ? `v${version} · ${title.length > 40 ? `${title.slice(0, 39)}…` : title}` : `v${version}`;
  };

  function put(name, document, said, place, mend) {
    const fix = (violations) => mend(violations);
    return attempt(async () => {
      const answer = await call('PUT', path(name), { body: document, rev: agent.rev, isAction: true });
      if (isApproval(answer)) {
        cards.get(name)?.reset();
        cards.get(name)?.tell(h('div', { class: 'notice', role: 'status', 'data-outcome': 'asked' },
          h('p', {}, h('strong', {}, 'Another user has to accept this, '), 'until ', time(answer.expires_at),
            `. Until then ${name} leads to ${routesText(answer.before.routes)}.`),
          button('Show the approval', () => onApprovals(answer.id))));
        await reread(answer);
      } else {
        await reread();
        say(said);
      }
    }, place, (problem) => refusal(problem, { document, fix: mend && fix }));
  }

  function remove(name, place) {
    return attempt(async () => {
      if (!await ask(`Delete the alias “${name}”? Whoever asks for it gets nothing.`, 'Delete')) return;
      await call('DELETE', path(name), { rev: agent.rev, isAction: true });
      await reread();
      say(`${name} was deleted.`);
    }, place, (problem) => refusal(problem, {}, problem.code === 'has_dependents'
      && button('Delete it all the same', () => force(name, place), { class: 'danger' })));
  }

  function force(name, place) {
    return attempt(async () => {
      await call('DELETE', `${path(name)}?force=true`, { rev: agent.rev, isAction: true });
      await reread();
      say(`${name} was deleted.`);
    }, place);
  }

  function fillSelect(select, values) {
    const before = select.value;
    select.replaceChildren(...values.map(([value, text]) => h('option', { value }, text)));
    if (values.some(([value]) => String(value) === before)) select.value = before;
  }

  function render() {
    const names = Object.keys(agent.aliases)
      .sort((one, other) => (other === 'live') - (one === 'live') || (one < other ? -1 : 1));
    for (const [name, card] of cards) {
      if (names.includes(name)) continue;
      card.element.remove();
      cards.delete(name);
    }
    names.forEach((name, index) => {
      if (!cards.has(name)) {
        const versions = () => offered.map(({ version }) => version);
        cards.set(name, aliasCard(name, { put: (...said) => put(name, ...said), remove, nameOf, versions }));
      }
      const { element, update } = cards.get(name);
      update(agent.aliases[name], agent.status === 'archived');
      if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
    });
    const isEmpty = names.length === 0;
    create.hidden = !offered.length || agent.status === 'archived';
    probe.hidden = isEmpty;
    fillSelect(newVersion, offered.map(({ version }) => [version, nameOf(version)]));
    fillSelect(probed, names.map((name) => [name, name]));
    state.replaceChildren();
    if (!isEmpty) return;
    state.append(h('div', { class: 'state' }, h('p', {}, 'There are no aliases yet.'),
      h('p', {}, 'An alias leads conversations to versions. Publishing makes the first one, live.'),
      agent.status === 'active' && h('p', {}, button('Publish…', onPublish))));
  }

  /** Reads the versions to choose from. Without them, what is routed to already can still be changed. */
  async function readVersions() {
    const mine = ++turn;
    try {
      const page = await call('GET', `/v1/agents/${agent.id}/versions?limit=${OFFERED_MAX}`);
      if (mine !== turn) return;
      offered = page.items;
      hint.textContent = page.next_cursor ? `The newest ${offered.length} versions are offered.` : '';
      render();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== turn) return;
      hint.replaceChildren(`The versions could not be read. ${problem.message} `, button('Try again', readVersions));
    }
  }

  /** Shows an agent, or a newer state of the same one. */
  function show(shown) {
    if (shown.id !== agent?.id) clear();
    agent = shown;
    render();
    const wanted = `${agent.id} ${agent.published_version}`;
    if (wanted === read || agent.published_version === null) return;
    read = wanted;
    readVersions();
  }

  /** Follows the agent while something else is shown, so that what was saved does not count as unsaved. */
  function follow(newer) {
    if (newer.id !== agent?.id) return;
    agent = newer;
    render();
  }

  /** Forgets what was typed, as the reader has said. */
  function clear() {
    turn += 1;
    probing += 1;
    [agent, read, offered] = [undefined, undefined, []];
    cards.clear();
    list.replaceChildren();
    for (const form of [create, probe]) form.reset();
    for (const place of [createRefused, result, hint]) place.replaceChildren();
  }

  async function resolve(query) {
    const mine = ++probing;
    result.textContent = '…';
    try {
      const { alias, version } = await call('GET', `/v1/agents/${agent.id}/resolved?${query}`, { isAction: true });
      if (mine !== probing) return;
      const text = query.get('conversation');
      const got = h('strong', { 'data-version': version }, nameOf(version));
      const who = text ? `Conversation “${text}” gets ` : 'Without a conversation it is ';
      result.replaceChildren(who, got, `, from ${alias}.`);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== probing) return;
      const said = { class: 'mistake', 'data-code': problem.code };
      result.replaceChildren(h('span', said, `${problem.title}. ${problem.message}`));
    }
  }

  create.addEventListener('submit', async (event) => {
    event.preventDefault();
    const name = newName.value.trim();
    if (Object.hasOwn(agent.aliases, name)) {
      const told = `There is an alias “${name}” already.`;
      createRefused.replaceChildren(h('p', { class: 'mistake', role: 'alert' }, told));
      return;
    }
    const document = { routes: [{ version: Number(newVersion.value), weight: 100 }] };
    await put(name, document, `${name} leads to version ${newVersion.value}.`, createRefused);
    if (cards.has(name)) create.reset();
  });
  probe.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = conversation.value;
    resolve(new URLSearchParams({ alias: probed.value, ...(text && { conversation: text }) }));
  });
  return { show, follow, clear, isDirty: () => [...cards.values()].some((card) => card.isDirty()) };
}
