"use strict";

/* The statistics page: shows what /events sends. */

const $ = id => document.getElementById(id);
const peers = new Map(); /* by key: { card, history, plots, before } */
const EVENTS_SHOWN = 200;
let newestEvent = 0;
let lastUptime = 0;

function setText(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

/* ---- tables ---- */

/* Columns: [title, cell(row), kind]. Cells are text; what peers say is never taken for markup. */
function showTable(table, columns, rows, nothing) {
	const cells = rows.map(row => columns.map(([, cell]) => cell(row)));
	const text = JSON.stringify(cells);
	if (table.dataset.shown === text)
		return;
	table.dataset.shown = text;
	const body = document.createElement("tbody");
	for (const [r, row] of cells.entries()) {
		const tr = body.insertRow();
		for (const [c, [title, , kind]] of columns.entries()) {
			const td = tr.insertCell();
			td.textContent = row[c];
			td.dataset.label = title;
			td.className = typeof kind === "function" ? kind(rows[r]) : kind || "";
		}
	}
	if (!rows.length) {
		const td = body.insertRow().insertCell();
		td.colSpan = columns.length;
		td.textContent = nothing;
		td.className = "muted";
	}
	const head = document.createElement("thead");
	const tr = head.insertRow();
	for (const [title, , kind] of columns) {
		const th = document.createElement("th");
		th.scope = "col";
		th.textContent = title;
		if (kind === "number")
			th.className = kind;
		tr.append(th);
	}
	table.replaceChildren(...(rows.length ? [head] : []), body);
}

function showTunnels(s) {
	const name = key => {
		const peer = s.peers.find(p => p.key === key);
		return peer ? words.peerName(peer) : key.slice(0, 8);
	};
	showTable($("tunnels"), [
		["Name", t => t.name],
		["Listens", t => t.reverse ? "there: " + t.listen : t.listen, t => t.listens ? "" : "trouble"],
		["Target", t => (t.reverse ? "here: " : "") + t.target + (t.proto === "udp" ? ", UDP" : "")],
		["At", t => t.peers.map(name).join(", ")],
	], s.tunnels, s.role === "server" ? "None: this server waits for the tunnels of others." : "None.");
}

function showChannels(s) {
	const rows = s.peers.flatMap(p => p.channels.map(c => ({ ...c, peer: words.peerName(p) })));
	rows.sort((a, b) => b.rate_in + b.rate_out - a.rate_in - a.rate_out || a.age_us - b.age_us);
	const all = s.channels + s.udp.flows;
	setText($("channels-count"), rows.length < all
		? "The " + rows.length + " busiest of " + all
		: all + " open");
	showTable($("channels"), [
		["Peer", c => c.peer],
		["Tunnel", c => c.tunnel || "–"],
		["Target", c => (c.opener ? "there: " : "here: ") + words.place(c.host, c.port) + (c.proto === "udp" ? ", UDP" : "")],
		["State", c => c.state],
		["Age", c => words.duration(c.age_us), "number"],
		["In", c => words.bytes(c.in), "number"],
		["Out", c => words.bytes(c.out), "number"],
		["Now", c => words.rate(c.rate_in + c.rate_out), "number"],
	], rows, "None.");
}

/* ---- peers ---- */

function newPeer(key) {
	const card = $("peer").content.firstElementChild.cloneNode(true);
	const history = [];
	$("peers").append(card);
	const plots = [...card.querySelectorAll("figure")].map(figure => new Plot(figure, history));
	const entry = { card, history, plots, before: null };
	peers.set(key, entry);
	showPast(key, entry);
	return entry;
}

async function showPast(key, entry) {
	try {
		const answer = await fetch("history.json?peer=" + key);
		const { samples } = await answer.json();
		if (peers.get(key) !== entry)
			return; /* it has gone meanwhile */
		prepend(entry.history, samples.map(pastSample));
		entry.plots.forEach(plot => plot.draw());
	} catch {
		/* The connection broke: the plots begin with now. */
	}
}

function describe(peer, sample) {
	const parts = [words.path(peer)];
	if (peer.ready) {
		if (sample.rtt !== null)
			parts.push(words.ms(sample.rtt));
		if (peer.segments_out)
			parts.push(words.percent(peer.loss_percent) + " loss");
	}
	parts.push(peer.connections.active + (peer.connections.active === 1 ? " connection" : " connections"));
	if (peer.udp.flows)
		parts.push(peer.udp.flows + (peer.udp.flows === 1 ? " UDP flow" : " UDP flows"));
	if (peer.queued_bytes)
		parts.push(words.bytes(peer.queued_bytes) + " queued");
	return parts.join(", ");
}

function showPeers(s, seconds) {
	for (const peer of s.peers) {
		const entry = peers.get(peer.key) ?? newPeer(peer.key);
		const sample = sampleOf(peer, entry.before, seconds);
		entry.before = peer;
		entry.history.push({ at: s.time_us / 1e6, ...sample });
		if (entry.history.length > SAMPLES)
			entry.history.shift();
		entry.card.dataset.state = words.state(peer);
		setText(entry.card.querySelector("h2"), words.peerName(peer));
		setText(entry.card.querySelector(".path"), describe(peer, sample));
		entry.plots.forEach(plot => plot.draw());
	}
	for (const [key, entry] of peers) {
		if (s.peers.some(p => p.key === key))
			continue;
		entry.plots.forEach(plot => plot.uplot.destroy());
		entry.card.remove();
		peers.delete(key);
	}
}

/* ---- the rest ---- */

function showState(s) {
	const states = s.peers.map(words.state);
	const state = s.self.path === "offline" || (states.length && states.every(x => x === "bad")) ? "bad"
		: states.some(x => x !== "good") || s.advice.length ? "fair" : "good";
	$("state").dataset.state = state;
	setText($("sentence"), s.sentence);
	document.title = (state === "good" ? "" : "(!) ") + "toxtun: " + s.sentence;
	if ($("advice").dataset.shown === s.advice.join("\n"))
		return;
	$("advice").dataset.shown = s.advice.join("\n");
	$("advice").replaceChildren(...s.advice.map(text => {
		const li = document.createElement("li");
		li.textContent = text;
		return li;
	}));
}

function showProcess(s) {
	const facts = [
		["Version", s.version + ", mode " + s.mode],
		["Up for", words.duration(s.uptime_us)],
		["Tox network", s.self.path + ", lost " + s.self.drops + " times"],
		["Carried", words.bytes(s.data.payload_in + s.udp.payload_in) + " in, " + words.bytes(s.data.payload_out + s.udp.payload_out) + " out"],
		["Packets move by", s.socket.io],
		["Memory", words.bytes(s.process.rss_bytes)],
		["Processor", words.duration(s.process.cpu_seconds * 1e6)],
		["Connections so far", s.connections.total + ", of which failed: " + s.connections.err],
		["Connections ended", words.counts(s.close_reasons)],
		["Limits reached", words.counts(s.limits)],
	];
	const list = $("process");
	if (!list.children.length) {
		for (const [name] of facts) {
			const group = document.createElement("div"), dt = document.createElement("dt");
			dt.textContent = name;
			group.append(dt, document.createElement("dd"));
			list.append(group);
		}
	}
	facts.forEach(([, value], i) => setText(list.children[i].lastChild, value));
}

function onSnapshot(s) {
	const seconds = (s.uptime_us - lastUptime) / 1e6; /* negative after a restart */
	lastUptime = s.uptime_us;
	setText($("role"), s.role);
	setText($("toxid"), s.toxid);
	showState(s);
	showPeers(s, seconds);
	showTunnels(s);
	showChannels(s);
	showProcess(s);
}

function onHappened(event) {
	const list = $("events");
	if (event.seq <= newestEvent)
		return; /* told again after the connection broke */
	newestEvent = event.seq;
	const when = new Date(event.time_us / 1000);
	const li = document.createElement("li"), time = document.createElement("time");
	const text = document.createElement("span");
	time.dateTime = when.toISOString();
	time.textContent = when.toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
	text.textContent = event.peer ? event.peer + ": " + event.text : event.text;
	text.className = /_(online|offline)$/.exec(event.type)?.[1] ?? "";
	li.append(time, text);
	list.prepend(li);
	while (list.children.length > EVENTS_SHOWN)
		list.lastChild.remove();
}

function setLive(yes) {
	$("live").dataset.live = yes ? "yes" : "no";
	setText($("live"), yes ? "live" : "no answer from toxtun, trying again …");
	if (yes)
		return;
	$("state").dataset.state = "unknown";
	for (const entry of peers.values()) { /* a gap in the plots */
		entry.before = null;
		if (entry.history.length)
			entry.history.push({ at: entry.history.at(-1).at + 0.5, ...sampleOf(null) });
	}
}

async function copyToxId() {
	try {
		await navigator.clipboard.writeText($("toxid").textContent);
		setText($("copied"), "Copied");
	} catch {
		/* Not allowed, or the page came by an address that is not this machine's. */
		getSelection().selectAllChildren($("toxid"));
		setText($("copied"), "Selected: copy it with the keyboard");
	}
	setTimeout(() => setText($("copied"), ""), 4000);
}

function listen() {
	const source = new EventSource("events");
	source.addEventListener("open", () => {
		newestEvent = 0;
		$("events").replaceChildren(); /* all that are kept come again */
		setLive(true);
	});
	source.addEventListener("error", () => {
		setLive(false);
		if (source.readyState === EventSource.CLOSED) /* a refusal; the browser gives up on these */
			setTimeout(listen, 3000);
	});
	source.addEventListener("snapshot", e => onSnapshot(JSON.parse(e.data)));
	source.addEventListener("happened", e => onHappened(JSON.parse(e.data)));
}

setText($("zone"), "Times are those of " + Intl.DateTimeFormat().resolvedOptions().timeZone + ", where this browser is.");
$("copy").addEventListener("click", copyToxId);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change",
	() => peers.forEach(entry => entry.plots.forEach(plot => plot.recolour())));
listen();
