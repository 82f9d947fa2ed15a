#include "top_screen.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>

#include "top.h"

/* term.h has macros of these names */
#undef columns
#undef lines

#define ESCAPE_WAIT_MS 25 /* for the rest of what a function key sends */

bool top_screen_usable(const struct tt_log *log)
{
	const char *type = getenv("TERM");
	int found = 0;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		tt_error(log, "top needs a terminal; toxtun status says the same once, anywhere");
		return false;
	}
	if (!type || setupterm(NULL, STDOUT_FILENO, &found) != OK) {
		tt_error(log,
			"the terminal's type TERM=%s is not known here; set TERM=xterm, or install "
			"its description (Debian: ncurses-term)",
			type ? type : "");
		return false;
	}
	bool places = cursor_address != NULL;
	del_curterm(cur_term); /* initscr reads its own */
	if (!places) {
		tt_error(log,
			"a terminal of type TERM=%s cannot place its cursor, which top needs; use "
			"toxtun status",
			type);
		return false;
	}
	return true;
}

void top_screen_open(void)
{
	setlocale(LC_CTYPE, ""); /* and nothing else: figures stay as they are */
	initscr();
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_WAIT_MS);
	if (has_colors() && start_color() == OK && use_default_colors() == OK)
		init_pair(TOP_LOOK_ALERT, COLOR_RED, -1);
}

void top_screen_close(void)
{
	endwin();
}

void top_screen_resized(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row && w.ws_col)
		resizeterm(w.ws_row, w.ws_col);
}

void top_screen_size(size_t *rows, size_t *columns)
{
	*rows = (size_t)getmaxy(stdscr);
	*columns = (size_t)getmaxx(stdscr);
}

bool top_screen_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static attr_t attributes(enum top_look look)
{
	switch (look) {
	case TOP_LOOK_TITLE:
		return A_BOLD;
	case TOP_LOOK_HEAD:
		return A_UNDERLINE;
	case TOP_LOOK_SELECTED:
		return A_REVERSE;
	case TOP_LOOK_DIM:
		return A_DIM;
	case TOP_LOOK_ALERT:
		return A_BOLD | (has_colors() ? (attr_t)COLOR_PAIR(TOP_LOOK_ALERT) : A_REVERSE);
	default:
		return A_NORMAL;
	}
}

void top_screen_show(const struct top_picture *p)
{
	erase();
	for (size_t i = 0; i < p->rows; i++) {
		attrset((int)attributes(p->looks[i]));
		mvaddstr((int)i, 0, p->lines[i]);
	}
	refresh();
}

int top_screen_key(void)
{
	int key;

	do {
		key = getch();
	} while (key == KEY_RESIZE); /* as top_screen_resized leaves it */
	switch (key) {
	case ERR:
		return -1;
	case KEY_UP:
		return TOP_KEY_UP;
	case KEY_DOWN:
		return TOP_KEY_DOWN;
	case KEY_PPAGE:
		return TOP_KEY_PAGE_UP;
	case KEY_NPAGE:
		return TOP_KEY_PAGE_DOWN;
	case KEY_HOME:
		return TOP_KEY_HOME;
	case KEY_END:
		return TOP_KEY_END;
	case '\r':
	case KEY_ENTER:
		return TOP_KEY_ENTER;
	default:
		return key;
	}
}
