"use strict";

/* What is remembered of a peer, and its three plots: a sample each second, five minutes of them. */

const SAMPLES = 300;
const PLOT_HEIGHT = 140;

const plotKinds = {
	rate: {
		title: "Throughput", format: words.rate, least: 1000,
		series: [["in", "rateIn"], ["out", "rateOut"]],
	},
	rtt: { title: "Round trip", format: words.ms, least: 1, series: [["", "rtt"]] },
	loss: {
		title: "Sent", format: words.percent, least: 1,
		series: [["lost", "loss"], ["retransmitted", "repeated"]],
	},
};

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const percentOf = (n, all) => all ? Math.min(100, 100 * n / all) : 0;

/* Between two snapshots of a peer. null where there is nothing to tell, which is a gap in the plot. */
function sampleOf(peer, before, seconds) {
	const sample = { rateIn: null, rateOut: null, rtt: null, loss: null, repeated: null };
	if (!peer || peer.path === "offline" || !before || seconds <= 0)
		return sample;
	const grown = field => Math.max(0, field(peer) - field(before));
	const sent = grown(p => p.segments_out);
	const repeated = grown(p => p.segments_retransmitted);
	/* The fixed modes do not tell a lost segment from one that was only repeated. */
	const lost = peer.congestion.state ? grown(p => p.congestion.segments_lost - p.congestion.segments_spurious) : repeated;
	sample.rateIn = grown(p => p.payload_in + p.udp.payload_in) / seconds;
	sample.rateOut = grown(p => p.payload_out + p.udp.payload_out) / seconds;
	sample.rtt = peer.rtt_us ? peer.rtt_us / 1000 : null;
	sample.loss = percentOf(lost, sent);
	sample.repeated = percentOf(repeated, sent);
	return sample;
}

/* The same from /history.json. */
function pastSample(s) {
	const known = s.segments_out !== null;
	return {
		at: s.time_us / 1e6, rateIn: s.rate_in, rateOut: s.rate_out,
		rtt: s.rtt_us === null ? null : s.rtt_us / 1000,
		loss: known ? percentOf(s.segments_lost, s.segments_out) : null,
		repeated: known ? percentOf(s.segments_retransmitted, s.segments_out) : null,
	};
}

/* Puts what was before the page was opened in front. The page's own first sample has nothing to compare with. */
function prepend(history, past) {
	const last = past.at(-1)?.at ?? 0;
	const own = history.slice(1).filter(s => s.at > last);
	history.splice(0, history.length, ...[...past, ...own].slice(-SAMPLES));
}

class Plot {
	constructor(figure, history) {
		this.kind = plotKinds[figure.dataset.plot];
		this.history = history;
		this.caption = figure.querySelector("figcaption");
		this.box = figure.querySelector("div");
		this.values = [];
		this.#makeCaption();
		const muted = () => colour("--muted");
		const axis = { stroke: muted, grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
		this.uplot = new uPlot({
			width: this.box.clientWidth || 300, height: PLOT_HEIGHT,
			legend: { show: false },
			cursor: { y: false, drag: { x: false, y: false } },
			scales: { x: { range: (u, from, to) => [Math.min(from, to - 60), to] }, y: { range: (u, low, high) => [0, Math.max(this.kind.least, (high || 0) * 1.1)] } },
			axes: [
				{ ...axis, space: 70, size: 28, values: "{H}:{mm}:{ss}" },
				{ ...axis, size: 72, values: (u, ticks) => ticks.map(this.kind.format) },
			],
			series: [{}, ...this.kind.series.map((_, i) => ({
				stroke: () => colour(i ? "--two" : "--one"), width: 2, dash: i ? [5, 3] : [], points: { show: false },
			}))],
			hooks: { setCursor: [() => this.#tell()] },
		}, this.#data(), this.box);
		new ResizeObserver(() => this.uplot.setSize({ width: this.box.clientWidth, height: PLOT_HEIGHT })).observe(this.box);
	}

	#makeCaption() {
		const title = document.createElement("b");
		title.textContent = this.kind.title;
		this.caption.append(title);
		for (const [i, [name]] of this.kind.series.entries()) {
			const item = document.createElement("span");
			item.className = "swatch " + (i ? "two" : "one");
			const value = document.createElement("b");
			item.append(name, name ? " " : "", value);
			this.caption.append(item);
			this.values.push(value);
		}
	}

	#data() {
		return [this.history.map(s => s.at), ...this.kind.series.map(([, field]) => this.history.map(s => s[field]))];
	}

	/* The figures under the cursor, else the newest. */
	#tell() {
		const at = this.uplot?.cursor.idx ?? this.history.length - 1;
		const sample = this.history[at];
		const texts = this.kind.series.map(([, field]) => {
			const value = sample?.[field];
			return value === null || value === undefined ? "–" : this.kind.format(value);
		});
		texts.forEach((text, i) => { this.values[i].textContent = text; });
		this.box.setAttribute("aria-label", this.kind.title + " of the last minutes; now " +
			this.kind.series.map(([name], i) => (name + " " + texts[i]).trim()).join(", "));
	}

	draw() {
		this.uplot.setData(this.#data());
		this.#tell();
	}

	recolour() {
		this.uplot.redraw(false);
	}
}
