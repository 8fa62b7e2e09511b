/* format.c - see format.h.
 *
 * A format is a list of items, each with a way to be written and one to be
 * read. Not here: which format a statement has, values of DuckDB.
 */
#include "engine/format.h"

enum item_kind {
	ITEM_LITERAL, ITEM_YEAR, ITEM_YEAR2, ITEM_MONTH, ITEM_MON, ITEM_MONTH_NAME, ITEM_DAY, ITEM_DY, ITEM_DAY_NAME,
	ITEM_HOUR, ITEM_HOUR24, ITEM_HOUR12, ITEM_HALF, ITEM_MINUTE, ITEM_SECOND, ITEM_FRACTION,
	ITEM_ZONE_HOUR, ITEM_ZONE_MINUTE, ITEM_ZONE, ITEM_ZONE_COLON
};

enum { NANO_DIGITS = 9, SCALE_OF_TYPE = 10, DAY_SECONDS = 86400, ZONE_HOURS_MAX = 24 };
#define NANOS_PER_SECOND INT64_C(1000000000)
#define NANOS_PER_DAY (DAY_SECONDS * NANOS_PER_SECOND)

static const struct {
	struct str name;
	enum item_kind kind;
	unsigned has;
} elements[] = { /* a longer one before those it begins with */
	{S_INIT("YYYY"), ITEM_YEAR, FORMAT_HAS_YEAR},
	{S_INIT("UUUU"), ITEM_YEAR, FORMAT_HAS_YEAR},
	{S_INIT("YY"), ITEM_YEAR2, FORMAT_HAS_YEAR},
	{S_INIT("MMMM"), ITEM_MONTH_NAME, FORMAT_HAS_MONTH},
	{S_INIT("MONTH"), ITEM_MONTH_NAME, FORMAT_HAS_MONTH},
	{S_INIT("MON"), ITEM_MON, FORMAT_HAS_MONTH},
	{S_INIT("MM"), ITEM_MONTH, FORMAT_HAS_MONTH},
	{S_INIT("MI"), ITEM_MINUTE, FORMAT_HAS_MINUTE},
	{S_INIT("DD"), ITEM_DAY, FORMAT_HAS_DAY},
	{S_INIT("DAY"), ITEM_DAY_NAME, 0},
	{S_INIT("DY"), ITEM_DY, 0},
	{S_INIT("HH24"), ITEM_HOUR24, FORMAT_HAS_HOUR},
	{S_INIT("HH12"), ITEM_HOUR12, FORMAT_HAS_HOUR},
	{S_INIT("HH"), ITEM_HOUR, FORMAT_HAS_HOUR},
	{S_INIT("AM"), ITEM_HALF, 0},
	{S_INIT("PM"), ITEM_HALF, 0},
	{S_INIT("SS"), ITEM_SECOND, FORMAT_HAS_SECOND},
	{S_INIT("FF"), ITEM_FRACTION, FORMAT_HAS_FRACTION},
	{S_INIT("TZH:TZM"), ITEM_ZONE_COLON, FORMAT_HAS_ZONE},
	{S_INIT("TZHTZM"), ITEM_ZONE, FORMAT_HAS_ZONE},
	{S_INIT("TZH"), ITEM_ZONE_HOUR, FORMAT_HAS_ZONE},
	{S_INIT("TZM"), ITEM_ZONE_MINUTE, FORMAT_HAS_ZONE},
};

static const struct str months[] = {S_INIT("January"), S_INIT("February"), S_INIT("March"), S_INIT("April"), S_INIT("May"),
	S_INIT("June"), S_INIT("July"), S_INIT("August"), S_INIT("September"), S_INIT("October"), S_INIT("November"),
					   S_INIT("December")};
static const struct str weekdays[] = {S_INIT("Sunday"), S_INIT("Monday"), S_INIT("Tuesday"), S_INIT("Wednesday"),
					     S_INIT("Thursday"),
	S_INIT("Friday"), S_INIT("Saturday")};

/* --- compiling --- */
static bool add_item(struct format *f, enum item_kind kind, int digits)
{
	if (f->nitems == FORMAT_ITEMS)
		return false;
	f->items[f->nitems++] = (struct format_item){.kind = (unsigned char)kind, .digits = (unsigned char)digits};
	return true;
}

static bool add_literal(struct format *f, struct str s)
{
	struct format_item *last = f->nitems ? &f->items[f->nitems - 1] : NULL;

	if (s.n == 0)
		return true;
	if (s.n > (size_t)(FORMAT_TEXT_MAX - f->ntext))
		return false;
	if (!last || last->kind != ITEM_LITERAL) {
		if (!add_item(f, ITEM_LITERAL, 0))
			return false;
		last = &f->items[f->nitems - 1];
		last->at = (unsigned short)f->ntext;
	}
	memcpy(f->text + f->ntext, s.p, s.n);
	f->ntext += (int)s.n;
	last->n = (unsigned short)(last->n + s.n);
	return true;
}

static int element_at(struct str s)
{
	for (size_t i = 0; i < COUNT_OF(elements); i++)
		if (str_istarts(s, elements[i].name))
			return (int)i;
	return -1;
}

/* The letters and digits at the front: what a message names. */
static struct str word_of(struct str s)
{
	size_t n = 0;

	while (n < s.n && (ascii_alpha(s.p[n]) || ascii_digit(s.p[n])))
		n++;
	return str_head(s, n ? n : 1);
}

static bool add_element(struct format *f, int element, struct str *rest)
{
	enum item_kind kind = elements[element].kind;
	int digits = SCALE_OF_TYPE;

	*rest = str_tail(*rest, elements[element].name.n);
	if (kind == ITEM_FRACTION && rest->n && ascii_digit(rest->p[0])) {
		digits = rest->p[0] - '0';
		*rest = str_tail(*rest, 1);
		if (rest->n && ascii_digit(rest->p[0])) /* no fraction has as many */
			return false;
	}
	f->has |= elements[element].has;
	return add_item(f, kind, digits);
}

static bool add_quoted(struct format *f, struct str *rest)
{
	struct str behind = str_tail(*rest, 1), text = str_cut(&behind, '"');

	if (!behind.p || !add_literal(f, text))
		return false;
	*rest = behind;
	return true;
}

static bool add_next(struct format *f, struct str *rest)
{
	int element = element_at(*rest);
	char first = rest->p[0];

	if (element >= 0)
		return add_element(f, element, rest);
	if (first == '"')
		return add_quoted(f, rest);
	if (ascii_alpha(first) && ascii_upper(first) != 'T' && ascii_upper(first) != 'Z')
		return false;
	if (!add_literal(f, str_head(*rest, 1)))
		return false;
	*rest = str_tail(*rest, 1);
	return true;
}

/* HH is of twelve hours where halves of the day are told. */
static void settle_hours(struct format *f)
{
	bool halves = false;

	for (int i = 0; i < f->nitems; i++)
		halves = halves || f->items[i].kind == ITEM_HALF;
	for (int i = 0; i < f->nitems; i++)
		if (f->items[i].kind == ITEM_HOUR)
			f->items[i].kind = halves ? ITEM_HOUR12 : ITEM_HOUR24;
}

bool format_compile(struct str text, struct format *ret, struct str *ret_bad)
{
	struct str rest = text;

	*ret = (struct format){.automatic = text.n == 0 || str_ieq(text, S("AUTO"))};
	if (ret->automatic)
		return true;
	while (rest.n) {
		struct str before = rest;

		if (add_next(ret, &rest))
			continue;
		*ret_bad = word_of(before);
		return false;
	}
	settle_hours(ret);
	return true;
}

bool format_is_one(struct str text)
{
	struct format f;
	struct str bad;

	return format_compile(text, &f, &bad);
}

bool format_is_binary(struct str text)
{
	return text.n == 0 || str_ieq(text, S("HEX")) || str_ieq(text, S("BASE64")) || str_ieq(text, S("AUTO"));
}

/* --- writing --- */
struct civil {
	int64_t year;
	unsigned month, day;
	int hour, minute, second;
	int64_t nanos;
};

static void put_padded(struct buf *out, int64_t v, int width)
{
	char *to = buf_room(out, (size_t)width);

	if (!to)
		return;
	for (int i = width - 1; i >= 0; i--, v /= 10)
		to[i] = (char)('0' + v % 10);
	out->n += (size_t)width;
}

static void put_year(struct buf *out, int64_t year)
{
	if (year < 0)
		buf_addc(out, '-');
	year = year < 0 ? -year : year;
	if (year > 9999)
		buf_i64(out, year);
	else
		put_padded(out, year, 4);
}

static void put_fraction(struct buf *out, int64_t nanos, int digits)
{
	for (int i = digits; i < NANO_DIGITS; i++)
		nanos /= 10;
	if (digits)
		put_padded(out, nanos, digits);
}

static void put_zone(struct buf *out, int minutes, enum item_kind kind)
{
	int size = minutes < 0 ? -minutes : minutes;

	if (kind != ITEM_ZONE_MINUTE) {
		buf_addc(out, minutes < 0 ? '-' : '+');
		put_padded(out, size / 60, 2);
	}
	if (kind == ITEM_ZONE_COLON)
		buf_addc(out, ':');
	if (kind != ITEM_ZONE_HOUR)
		put_padded(out, size % 60, 2);
}

static int weekday(int64_t days)
{
	return (int)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

static void put_date_item(struct buf *out, enum item_kind kind, const struct civil *v, int64_t days)
{
	switch (kind) {
	case ITEM_YEAR:
		put_year(out, v->year);
		break;
	case ITEM_YEAR2:
		put_padded(out, (v->year % 100 + 100) % 100, 2);
		break;
	case ITEM_MONTH:
		put_padded(out, v->month, 2);
		break;
	case ITEM_MON:
		buf_add(out, str_head(months[v->month - 1], 3));
		break;
	case ITEM_MONTH_NAME:
		buf_add(out, months[v->month - 1]);
		break;
	case ITEM_DAY:
		put_padded(out, v->day, 2);
		break;
	case ITEM_DY:
		buf_add(out, str_head(weekdays[weekday(days)], 3));
		break;
	default:
		buf_add(out, weekdays[weekday(days)]);
	}
}

static void put_time_item(struct buf *out, const struct format_item *item, const struct civil *v, int scale)
{
	switch (item->kind) {
	case ITEM_HOUR12:
		put_padded(out, v->hour % 12 ? v->hour % 12 : 12, 2);
		break;
	case ITEM_HALF:
		buf_add(out, v->hour % 24 < 12 ? S("AM") : S("PM"));
		break;
	case ITEM_MINUTE:
		put_padded(out, v->minute, 2);
		break;
	case ITEM_SECOND:
		put_padded(out, v->second, 2);
		break;
	case ITEM_FRACTION:
		put_fraction(out, v->nanos, item->digits == SCALE_OF_TYPE ? scale : item->digits);
		break;
	default:
		put_padded(out, v->hour, 2);
	}
}

void format_write(const struct format *f, const struct format_time *t, int scale, struct buf *out)
{
	int64_t seconds = t->nanos / NANOS_PER_SECOND;
	struct civil v = {.hour = (int)(seconds / 3600), .minute = (int)(seconds / 60 % 60), .second = (int)(seconds % 60),
			  .nanos = t->nanos % NANOS_PER_SECOND};

	clock_civil_from_days(t->days, &v.year, &v.month, &v.day);
	for (int i = 0; i < f->nitems; i++) {
		const struct format_item *item = &f->items[i];

		if (item->kind == ITEM_LITERAL)
			buf_add(out, str_from(f->text + item->at, item->n));
		else if (item->kind >= ITEM_ZONE_HOUR)
			put_zone(out, t->offset_minutes, (enum item_kind)item->kind);
		else if (item->kind >= ITEM_HOUR)
			put_time_item(out, item, &v, scale);
		else
			put_date_item(out, (enum item_kind)item->kind, &v, t->days);
	}
}

/* --- reading --- */
struct reading {
	struct str rest;
	int64_t year, fraction;
	int month, day, hour, minute, second, zone_hours, zone_minutes;
	bool half_told, afternoon, west;
	unsigned has;
};

static bool take(struct reading *r, char c)
{
	if (r->rest.n == 0 || r->rest.p[0] != c)
		return false;
	r->rest = str_tail(r->rest, 1);
	return true;
}

static bool take_digits(struct reading *r, int least, int most, int64_t *ret)
{
	int64_t v = 0;
	int n = 0;

	while (n < most && (size_t)n < r->rest.n && ascii_digit(r->rest.p[n]))
		v = v * 10 + (r->rest.p[n++] - '0');
	if (n < least)
		return false;
	r->rest = str_tail(r->rest, (size_t)n);
	*ret = v;
	return true;
}

static bool take_number(struct reading *r, int least, int most, int *ret)
{
	int64_t v;

	if (!take_digits(r, 1, 2, &v) || v < least || v > most)
		return false;
	*ret = (int)v;
	return true;
}

/* ret: which of the names, whole or its first three letters. */
static bool take_name(struct reading *r, const struct str *names, int n, int *ret)
{
	for (int whole = 1; whole >= 0; whole--) {
		for (int i = 0; i < n; i++) {
			struct str name = whole ? names[i] : str_head(names[i], 3);

			if (!str_istarts(r->rest, name))
				continue;
			r->rest = str_tail(r->rest, name.n);
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool take_year(struct reading *r, enum item_kind kind)
{
	bool negative = kind == ITEM_YEAR && take(r, '-');

	if (!take_digits(r, 1, kind == ITEM_YEAR ? 4 : 2, &r->year))
		return false;
	if (kind == ITEM_YEAR2)
		r->year += r->year < FORMAT_CENTURY % 100 ? 2000 : 1900;
	r->year = negative ? -r->year : r->year;
	return true;
}

static bool take_fraction(struct reading *r, int most)
{
	size_t before = r->rest.n;

	if (!take_digits(r, most ? 1 : 0, most, &r->fraction))
		return false;
	for (size_t n = before - r->rest.n; n < NANO_DIGITS; n++)
		r->fraction *= 10;
	return true;
}

static bool take_half(struct reading *r)
{
	bool am = str_istarts(r->rest, S("AM"));

	if (!am && !str_istarts(r->rest, S("PM")))
		return false;
	r->half_told = true;
	r->afternoon = !am;
	r->rest = str_tail(r->rest, 2);
	return true;
}

static bool take_zone_hours(struct reading *r)
{
	int64_t hours;

	r->west = r->rest.n && r->rest.p[0] == '-';
	if ((!take(r, '-') && !take(r, '+')) || !take_digits(r, 1, 2, &hours) || hours > ZONE_HOURS_MAX)
		return false;
	r->zone_hours = (int)hours;
	return true;
}

static bool take_zone(struct reading *r, enum item_kind kind)
{
	if (kind != ITEM_ZONE_MINUTE && (take(r, 'Z') || take(r, 'z')))
		return true;
	if (kind != ITEM_ZONE_MINUTE && !take_zone_hours(r))
		return false;
	if (kind == ITEM_ZONE_COLON && !take(r, ':'))
		return false;
	return kind == ITEM_ZONE_HOUR || take_number(r, 0, 59, &r->zone_minutes);
}

static bool take_literal(struct reading *r, struct str text)
{
	if (!str_istarts(r->rest, text))
		return false;
	r->rest = str_tail(r->rest, text.n);
	return true;
}

static bool take_date_item(struct reading *r, enum item_kind kind)
{
	int day;

	switch (kind) {
	case ITEM_MONTH:
		return take_number(r, 1, 12, &r->month);
	case ITEM_MON:
	case ITEM_MONTH_NAME:
		if (!take_name(r, months, COUNT_OF(months), &r->month))
			return false;
		r->month++;
		return true;
	case ITEM_DAY:
		return take_number(r, 1, 31, &r->day);
	case ITEM_DY:
	case ITEM_DAY_NAME:
		return take_name(r, weekdays, COUNT_OF(weekdays), &day);
	default:
		return take_year(r, kind);
	}
}

static bool take_time_item(struct reading *r, const struct format_item *item)
{
	switch (item->kind) {
	case ITEM_HOUR12:
		return take_number(r, 1, 12, &r->hour);
	case ITEM_HALF:
		return take_half(r);
	case ITEM_MINUTE:
		return take_number(r, 0, 59, &r->minute);
	case ITEM_SECOND:
		return take_number(r, 0, 59, &r->second);
	case ITEM_FRACTION:
		return take_fraction(r, item->digits == SCALE_OF_TYPE ? NANO_DIGITS : item->digits);
	default:
		return take_number(r, 0, 24, &r->hour);
	}
}

static bool days_in_month(const struct reading *r, int64_t *ret_days)
{
	int64_t days = clock_days_from_civil(r->year, (unsigned)r->month, (unsigned)r->day), year;
	unsigned month, day;

	clock_civil_from_days(days, &year, &month, &day);
	*ret_days = days;
	return (int)month == r->month && (int)day == r->day;
}

static bool conclude(const struct reading *r, struct format_time *ret)
{
	int hour = r->half_told ? r->hour % 12 + (r->afternoon ? 12 : 0) : r->hour;
	int zone = r->zone_hours * 60 + r->zone_minutes;

	if (r->rest.n || zone > ZONE_HOURS_MAX * 60 || !days_in_month(r, &ret->days))
		return false;
	ret->nanos = ((hour * 60LL + r->minute) * 60 + r->second) * NANOS_PER_SECOND + r->fraction;
	ret->offset_minutes = r->west ? -zone : zone;
	return ret->nanos <= NANOS_PER_DAY;
}

static struct reading reading_of(struct str text)
{
	return (struct reading){.rest = text, .year = 1970, .month = 1, .day = 1};
}

bool format_read(const struct format *f, struct str text, struct format_time *ret_time, unsigned *ret_has)
{
	struct reading r = reading_of(str_trim(text));

	for (int i = 0; i < f->nitems; i++) {
		const struct format_item *item = &f->items[i];
		bool ok;

		if (item->kind == ITEM_LITERAL)
			ok = take_literal(&r, str_from(f->text + item->at, item->n));
		else if (item->kind >= ITEM_ZONE_HOUR)
			ok = take_zone(&r, (enum item_kind)item->kind);
		else if (item->kind >= ITEM_HOUR)
			ok = take_time_item(&r, item);
		else
			ok = take_date_item(&r, (enum item_kind)item->kind);
		if (!ok)
			return false;
	}
	*ret_has = f->has;
	return conclude(&r, ret_time);
}

/* --- AUTO --- */
static bool iso_date(struct reading *r)
{
	size_t before = r->rest.n;

	r->has |= FORMAT_HAS_DATE;
	return take_year(r, ITEM_YEAR) && before - r->rest.n >= 4 && take(r, '-') && take_number(r, 1, 12, &r->month) && take(r, '-') &&
	       take_number(r, 1, 31, &r->day);
}

static bool iso_time(struct reading *r)
{
	r->has |= FORMAT_HAS_HOUR;
	if (!take_number(r, 0, 24, &r->hour))
		return false;
	if (!take(r, ':'))
		return true;
	r->has |= FORMAT_HAS_MINUTE;
	if (!take_number(r, 0, 59, &r->minute))
		return false;
	if (!take(r, ':'))
		return true;
	r->has |= FORMAT_HAS_SECOND;
	if (!take_number(r, 0, 59, &r->second))
		return false;
	if (!take(r, '.') || r->rest.n == 0 || !ascii_digit(r->rest.p[0]))
		return true;
	r->has |= FORMAT_HAS_FRACTION;
	return take_fraction(r, NANO_DIGITS);
}

/* "Z", "+02", "+0200", "+02:00", before them blanks; or nothing. */
static bool iso_zone(struct reading *r)
{
	r->rest = str_trim(r->rest);
	if (r->rest.n == 0)
		return true;
	r->has |= FORMAT_HAS_ZONE;
	if (take(r, 'Z') || take(r, 'z'))
		return true;
	if (!take_zone_hours(r))
		return false;
	if (r->rest.n == 0)
		return true;
	(void)take(r, ':');
	return r->rest.n == 2 && take_number(r, 0, 59, &r->zone_minutes);
}

static bool is_time_alone(struct str s)
{
	size_t colon = str_find(s, ':');

	return colon == 1 || colon == 2;
}

static bool read_iso(struct str text, struct format_time *ret_time, unsigned *ret_has)
{
	struct reading r = reading_of(text);
	bool ok;

	if (is_time_alone(text)) {
		ok = iso_time(&r);
	} else {
		ok = iso_date(&r);
		if (ok && (take(&r, 'T') || take(&r, 't') || (r.rest.n > 1 && r.rest.p[0] == ' ' && ascii_digit(r.rest.p[1]) && take(&r, ' '))))
			ok = iso_time(&r);
	}
	*ret_has = r.has;
	if (!ok || !iso_zone(&r))
		return false;
	*ret_has = r.has;
	return conclude(&r, ret_time);
}

bool format_read_auto(struct str text, struct format_time *ret_time, unsigned *ret_has)
{
	static const struct str others[] = {
		S_INIT("DY, DD MON YYYY HH24:MI:SS TZHTZM"), S_INIT("DY, DD MON YYYY HH24:MI:SS.FF TZHTZM"),
		S_INIT("DY, DD MON YYYY HH12:MI:SS AM TZHTZM"), S_INIT("DY, DD MON YYYY HH12:MI:SS AM"), S_INIT("DY, DD MON YYYY HH24:MI:SS"),
		S_INIT("DY MON DD HH24:MI:SS TZHTZM YYYY"), S_INIT("MM/DD/YYYY HH24:MI:SS"), S_INIT("MM/DD/YYYY"), S_INIT("DD-MON-YYYY"),
		S_INIT("HH12:MI:SS.FF AM"), S_INIT("HH12:MI:SS AM"), S_INIT("HH12:MI AM"),
	};
	struct format f;
	struct str bad;

	text = str_trim(text);
	if (read_iso(text, ret_time, ret_has))
		return true;
	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (format_compile(others[i], &f, &bad) && format_read(&f, text, ret_time, ret_has))
			return true;
	return false;
}
