/* A headless Chromium for the tests: page.mjs PLAYWRIGHT CHROMIUM URL [PROXY]. Reads commands, a JSON array a
 * line, answers each with a line: ["eval", SCRIPT], ["shot", FILE, WIDTH, HEIGHT, SCHEME], ["reload"],
 * ["errors"]. */
import readline from "node:readline";

const [playwright, executablePath, url, proxy] = process.argv.slice(2);
const { chromium } = (await import(playwright)).default;
/* Without <-loopback> it would reach 127.0.0.1 and localhost by itself. */
const through = proxy ? [`--proxy-server=${proxy}`, "--proxy-bypass-list=<-loopback>"] : [];
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", ...through] });
const context = await browser.newContext({
	locale: "en-GB", timezoneId: "Europe/Berlin", permissions: ["clipboard-read", "clipboard-write"],
	ignoreHTTPSErrors: true,
});
const page = await context.newPage();
const errors = [], requests = [];
page.on("console", message => {
	if (["error", "warning"].includes(message.type()))
		errors.push(message.text());
});
page.on("pageerror", error => errors.push(String(error)));
page.on("request", request => requests.push(request.url()));
const answer = await page.goto(url);

const commands = {
	eval: script => page.evaluate(script),
	async shot(path, width, height, colorScheme, fullPage = true) {
		await page.setViewportSize({ width, height });
		await page.emulateMedia({ colorScheme });
		await page.waitForTimeout(300);
		await page.screenshot({ path, fullPage });
		return page.evaluate("document.documentElement.scrollWidth - innerWidth");
	},
	press: key => page.keyboard.press(key),
	async reload() {
		await page.reload();
	},
	errors: () => errors.splice(0),
	requests: () => requests,
	headers: () => answer.headers(),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
	const [name, ...args] = JSON.parse(line);
	console.log(JSON.stringify((await commands[name](...args)) ?? null));
}
await browser.close();
