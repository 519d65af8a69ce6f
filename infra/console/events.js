/**
 * Follows a tenant's events and stays connected. Copy it: it runs in browsers and in Node.js 22.
 *
 *   const stream = connect({
 *     url: () => 'wss://…',              // asked before each attempt, as is the ticket,
 *     ticket: async () => '…',           // which POST /v1/ws-tickets gives: it opens one socket
 *     filter: { tags: ['eu'] },          // optional: types, agent_ids, tags
 *     after: 'a cursor',                 // optional: resume behind it; otherwise start now
 *     onEvent(event, cursor) {},         // once per event; to survive a restart, store the cursor
 *     onState(state, about) {},          // connecting, live or reconnecting; { attempt, delay, reason }
 *     onSkipped({ count, after, to }) {} // not sent one by one: GET /v1/events?after=… has them; without
 *   });                                  //   `to` they are gone, so read anew what you keep of agents
 *   stream.close();
 *
 * A socket ends with the token that its ticket was bought with, so buy with one that has time left.
 * Events come in the order of `seq`, or nearly: of two states of an agent, the higher `rev` is newer.
 */
export function connect({ url, ticket, filter, after, onEvent, onState = () => {}, onSkipped = () => {} }) {
  const PING_MS = 4 * 60_000; // A socket without traffic is closed after 10 minutes.
  const PATIENCE_MS = 10_000; // Where an answer is due, a longer silence is a dead connection.
  const LONGEST_DELAY_MS = 30_000;
  const REMEMBERED = 1000; // Events come at least once. A repetition follows soon.
  const seen = new Set();
  let cursor = after;
  let attempt = 0; // Attempts since a connection last proved steady.
  let round = 0, liveSince = 0;
  let socket, retrying, pinging, deadline;

  function ask(message) {
    socket.send(JSON.stringify(message));
    expectAnswer();
  }
  function expectAnswer() {
    clearTimeout(deadline);
    deadline = setTimeout(retry, PATIENCE_MS, 'no answer');
  }
  const subscribe = () => ask({ action: 'subscribe', id: 'main', filter, after: cursor });

  function leave() {
    round += 1; // What an earlier attempt still waits for comes to nothing.
    for (const timer of [retrying, pinging, deadline]) clearTimeout(timer);
    if (liveSince && Date.now() - liveSince > PATIENCE_MS) attempt = 0;
    liveSince = 0;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    socket?.close();
  }

  function retry(reason) {
    leave();
    // Full jitter: many clients that lost one server do not return to it in step.
    const delay = Math.random() * Math.min(LONGEST_DELAY_MS, 500 * 2 ** attempt);
    onState('reconnecting', { attempt, delay, reason });
    retrying = setTimeout(open, delay);
  }

  async function open() {
    leave();
    const mine = round;
    attempt += 1;
    onState('connecting', { attempt });
    try {
      const address = `${await url()}?ticket=${encodeURIComponent(await ticket())}`;
      if (mine !== round) return;
      socket = new WebSocket(address);
    } catch (error) {
      if (mine === round) retry(error.message);
      return;
    }
    socket.onopen = subscribe;
    socket.onmessage = ({ data }) => receive(JSON.parse(data));
    socket.onclose = () => retry('the connection was closed');
    pinging = setInterval(ask, PING_MS, { action: 'ping' });
    expectAnswer();
  }

  function receive({ type, cursor: place, event, skipped, code, detail }) {
    clearTimeout(deadline); // Whatever it says, someone is there.
    const isExpired = type === 'error' && code === 'cursor_expired';
    if (isExpired) onSkipped({ after: cursor });
    if (type === 'bookmark' && skipped > 0) onSkipped({ count: skipped, after: cursor, to: place });
    if (type === 'event' && !seen.has(event.id)) {
      seen.add(event.id);
      if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
      onEvent(event, place);
    }
    if (['event', 'bookmark', 'subscribed', 'gap', 'pong'].includes(type) || isExpired) cursor = place;
    if (type === 'subscribed') {
      liveSince ||= Date.now();
      onState('live', { attempt });
    } else if (type === 'gap' || isExpired) subscribe();
    else if (type === 'error') retry(detail);
    // A server that asks at once, again and again, does not get its wish at once.
    else if (type === 'reconnect' && Date.now() - liveSince > PATIENCE_MS) open();
    else if (type === 'reconnect') retry('asked to reconnect');
  }

  globalThis.addEventListener?.('online', open); // Waiting is of no use any more.
  open();
  return { close() { globalThis.removeEventListener?.('online', open); leave(); } };
}
