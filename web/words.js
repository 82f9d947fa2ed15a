"use strict";

/* Figures as people read them. */

function scaled(value, units, step) {
	let i = 0;
	while (value >= step && i < units.length - 1) {
		value /= step;
		i++;
	}
	const digits = i === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
	return value.toFixed(digits) + "\u00a0" + units[i];
}

const words = {
	rate: v => scaled(v, ["B/s", "kB/s", "MB/s", "GB/s"], 1000),
	bytes: v => scaled(v, ["B", "kB", "MB", "GB", "TB"], 1000),
	ms: v => v.toFixed(v < 10 ? 2 : v < 100 ? 1 : 0) + "\u00a0ms",
	percent: v => v.toFixed(v < 10 ? 1 : 0) + "\u00a0%",

	duration(us) {
		const s = Math.floor(us / 1e6);
		if (s < 60)
			return s + "\u00a0s";
		if (s < 3600)
			return Math.floor(s / 60) + "\u00a0min " + s % 60 + "\u00a0s";
		if (s < 86400)
			return Math.floor(s / 3600) + "\u00a0h " + Math.floor(s / 60) % 60 + "\u00a0min";
		return Math.floor(s / 86400) + "\u00a0d " + Math.floor(s / 3600) % 24 + "\u00a0h";
	},

	path(peer) {
		if (peer.path === "offline")
			return "offline";
		if (!peer.ready)
			return "online, no answer yet";
		return peer.path === "udp direct" ? "direct UDP" : "TCP relay";
	},

	state(peer) {
		return peer.path === "offline" ? "bad" : peer.ready && peer.path === "udp direct" ? "good" : "fair";
	},

	peerName: peer => peer.name || peer.label,

	/* An IPv6 address has colons of its own. */
	place: (host, port) => (host.includes(":") ? "[" + host + "]" : host) + ":" + port,

	/* "3 limit, 1 reset": those that are not zero. */
	counts(object) {
		const some = Object.entries(object).filter(([, n]) => n > 0);
		return some.map(([name, n]) => n + "\u00a0" + name.replaceAll("_", " ")).join(", ") || "none";
	},
};
