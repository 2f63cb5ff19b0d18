package consent

import (
	"slices"
	"time"
)

// Law says how long a case may take: by whose law, and what the operator
// promises beyond it. The zero value is the strictest law, counted in UTC.
type Law struct {
	Profile  string           // one of Profiles; empty: strictest
	Zone     *time.Location   // whose days are counted; nil: UTC
	Days     map[CaseKind]int // the operator's own; counts where it is shorter than the law
	First    int              // working days to a first answer where no law gives a clock; 0: 5
	Holidays []string         // "2026-12-24", or "12-25" for every year
}

// Clock is the dates of one case.
type Clock struct {
	First  time.Time // by which there is a first answer; zero: nobody asks for one
	Due    time.Time // by which it is dealt with
	Latest time.Time // to which Due can be put off, once and with a reason
}

// rule is what one law says of requests. first is in working days.
type rule struct {
	first          int
	answer, latest period
}

type period struct{ months, days int }

func (p period) after(t time.Time) time.Time {
	if p.months > 0 {
		return addMonths(t, p.months)
	}
	return t.AddDate(0, 0, p.days)
}

// rules are the laws that heed knows; a profile names one, or all of them.
var rules = map[string]rule{
	"eu":         {answer: period{months: 1}, latest: period{months: 3}},          // GDPR Art. 12(3)
	"california": {first: 10, answer: period{days: 45}, latest: period{days: 90}}, // 11 CCR 7021
	"us":         {answer: period{days: 45}, latest: period{days: 90}},            // the other states' laws, such as Va. Code 59.1-577
	"canada":     {answer: period{days: 30}, latest: period{days: 60}},            // PIPEDA 8(3), 8(4)
}

// Profiles lists the laws that can be chosen, the default first.
func Profiles() []string { return []string{"strictest", "eu", "california", "us", "canada"} }

func (l Law) rules() []rule {
	if one, known := rules[l.Profile]; known {
		return []rule{one}
	}
	return []rule{rules["eu"], rules["california"], rules["us"], rules["canada"]}
}

// Shortest is how many days the chosen law gives at least; an operator's own
// number of days must not be more.
func (l Law) Shortest() int {
	days := 1 << 30
	for _, r := range l.rules() {
		if r.answer.months > 0 {
			days = min(days, 28*r.answer.months)
		} else {
			days = min(days, r.answer.days)
		}
	}
	return days
}

// HasClock tells whether a law says how long a case of this kind may take. The
// others go by the operator's own clock.
func (k CaseKind) HasClock() bool {
	return slices.Contains([]CaseKind{CaseErasure, CaseAccess, CaseRectification, CaseObjection}, k)
}

// Clock counts from the day on which a request came: not from a click, and not
// from the day on which somebody read it. Where several laws apply the
// shortest counts.
func (l Law) Clock(kind CaseKind, received time.Time) Clock {
	at := received.In(l.zone())
	if !kind.HasClock() {
		first := l.addWorkingDays(at, l.first())
		return Clock{First: first, Due: first, Latest: addMonths(at, 3)}
	}
	var c Clock
	for _, r := range l.rules() {
		c.Due = earlier(c.Due, r.answer.after(at))
		c.Latest = earlier(c.Latest, r.latest.after(at))
		if r.first > 0 {
			c.First = earlier(c.First, l.addWorkingDays(at, r.first))
		}
	}
	if own := l.Days[kind]; own > 0 {
		c.Due = earlier(c.Due, at.AddDate(0, 0, own))
	}
	if !c.First.IsZero() {
		c.First = earlier(c.First, c.Due)
	}
	return c
}

// Extended is the day to which a case can be put off by some months: counted
// from the end of the first, and never beyond what every law that applies
// allows.
func (l Law) Extended(kind CaseKind, received time.Time, months int) time.Time {
	return earlier(l.Clock(kind, received).Latest, addMonths(received.In(l.zone()), 1+months))
}

// Settle is by when a case of the operator's own clock is brought to its end,
// once it has had its first answer: a month, like a request, because it may
// turn out to be one.
func (l Law) Settle(received time.Time) time.Time { return addMonths(received.In(l.zone()), 1) }

func (l Law) zone() *time.Location {
	if l.Zone == nil {
		return time.UTC
	}
	return l.Zone
}

func (l Law) first() int {
	if l.First <= 0 {
		return 5
	}
	return l.First
}

// addWorkingDays leaves out Saturdays, Sundays and the holidays, and does not
// count the day on which it begins.
func (l Law) addWorkingDays(t time.Time, n int) time.Time {
	for n > 0 {
		t = t.AddDate(0, 0, 1)
		day := t.Weekday()
		if day == time.Saturday || day == time.Sunday || slices.Contains(l.Holidays, t.Format("01-02")) ||
			slices.Contains(l.Holidays, t.Format(time.DateOnly)) {
			continue
		}
		n--
	}
	return t
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// addMonths gives the same day n months later, the last day of a shorter month
// where that date does not exist (Regulation 1182/71 Art. 3(2)(c)).
func addMonths(t time.Time, n int) time.Time {
	y, m, d := t.Date()
	hour, minute, second := t.Clock()
	first := time.Date(y, m+time.Month(n), 1, hour, minute, second, t.Nanosecond(), t.Location())
	last := first.AddDate(0, 1, -1).Day()
	return time.Date(y, m+time.Month(n), min(d, last), hour, minute, second, t.Nanosecond(), t.Location())
}

// Marks are the moments on a clock at which somebody has to be told: of a
// month, day 20, day 25 and day 27; of any other clock two thirds, five sixths
// and nine tenths.
type Marks struct{ Soon, Help, Last time.Time }

// Marks reads a clock that began at received and ends at due.
func (l Law) Marks(received, due time.Time) Marks {
	at := received.In(l.zone())
	days := daysBetween(at, due.In(l.zone()))
	soon, help, last := days*2/3, days*5/6, days*9/10
	if days >= 28 && days <= 31 {
		soon, help, last = 20, 25, 27
	}
	return Marks{at.AddDate(0, 0, soon), at.AddDate(0, 0, help), at.AddDate(0, 0, last)}
}

// daysBetween counts days of the calendar: one of 23 hours is a day too.
func daysBetween(from, to time.Time) int {
	y, m, d := from.Date()
	y2, m2, d2 := to.Date()
	return int(time.Date(y2, m2, d2, 0, 0, 0, 0, time.UTC).Sub(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour))
}

// reminderDays are the days on which a question that was not answered is asked
// again; remindGap keeps two questions apart where the first one went out late.
var reminderDays = []int{7, 14}

const remindGap = 3 * 24 * time.Hour

// Remind tells which reminder is to go out now, 1 or 2, or 0 for none. Of those
// that were missed while nothing ran, only the latest is sent.
func (l Law) Remind(received, asked, now time.Time, reminded int) int {
	due := 0
	for i, days := range reminderDays {
		if !now.Before(received.In(l.zone()).AddDate(0, 0, days)) {
			due = i + 1
		}
	}
	if due <= reminded || now.Before(asked.Add(remindGap)) {
		return 0
	}
	return due
}
