package consent

import (
	"testing"
	"time"
	_ "time/tzdata"
)

const minutes = "2006-01-02 15:04"

func at(t *testing.T, zone, text string) time.Time {
	t.Helper()
	where, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	when, err := time.ParseInLocation(minutes, text, where)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestClockOfEachLaw(t *testing.T) {
	for _, tt := range []struct {
		name, profile, zone string
		kind                CaseKind
		received            string
		first, due, latest  string // in the zone; first may be empty
	}{
		{"plain month", "eu", "UTC", CaseErasure, "2026-01-15 09:30", "", "2026-02-15 09:30", "2026-04-15 09:30"},
		{"31 January", "eu", "UTC", CaseErasure, "2026-01-31 09:30", "", "2026-02-28 09:30", "2026-04-30 09:30"},
		{"31 January of a leap year", "eu", "UTC", CaseAccess, "2028-01-31 09:30", "", "2028-02-29 09:30", "2028-04-30 09:30"},
		{"29 February", "eu", "UTC", CaseAccess, "2028-02-29 09:30", "", "2028-03-29 09:30", "2028-05-29 09:30"},
		{"over the new year", "eu", "UTC", CaseObjection, "2026-12-31 23:59", "", "2027-01-31 23:59", "2027-03-31 23:59"},
		{"31 March", "eu", "UTC", CaseRectification, "2026-03-31 00:00", "", "2026-04-30 00:00", "2026-06-30 00:00"},
		{"the same hour after summer time began", "eu", "Europe/Berlin", CaseErasure, "2026-03-10 09:30", "", "2026-04-10 09:30", "2026-06-10 09:30"},
		{"an hour that a clock skips", "eu", "Europe/Berlin", CaseErasure, "2027-02-28 02:30", "", "2027-03-28 03:30", "2027-05-28 02:30"},
		{"California", "california", "America/Los_Angeles", CaseErasure, "2026-06-01 09:30", "2026-06-15 09:30", "2026-07-16 09:30", "2026-08-30 09:30"},
		{"another state", "us", "America/New_York", CaseErasure, "2026-06-01 09:30", "", "2026-07-16 09:30", "2026-08-30 09:30"},
		{"Canada", "canada", "America/Toronto", CaseAccess, "2026-01-01 09:30", "", "2026-01-31 09:30", "2026-03-02 09:30"},
		{"all of them", "", "UTC", CaseAccess, "2026-01-01 09:30", "2026-01-15 09:30", "2026-01-31 09:30", "2026-03-02 09:30"},
		{"all of them in February", "strictest", "UTC", CaseAccess, "2026-01-31 09:30", "2026-02-13 09:30", "2026-02-28 09:30", "2026-04-01 09:30"},
		{"no law", "eu", "UTC", CaseReview, "2026-06-05 17:00", "2026-06-12 17:00", "2026-06-12 17:00", "2026-09-05 17:00"},
		{"no law, on a Saturday", "eu", "UTC", CaseComplaint, "2026-06-06 17:00", "2026-06-12 17:00", "2026-06-12 17:00", "2026-09-06 17:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			received := at(t, tt.zone, tt.received)
			c := Law{Profile: tt.profile, Zone: received.Location()}.Clock(tt.kind, received.UTC())
			for what, pair := range map[string][2]string{"first": {told(c.First), tt.first}, "due": {told(c.Due), tt.due}, "latest": {told(c.Latest), tt.latest}} {
				if pair[0] != pair[1] {
					t.Errorf("%s is %s, want %s", what, pair[0], pair[1])
				}
			}
		})
	}
}

func told(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(minutes)
}

// TestClockCountsTheOperatorsDay: a mail that comes at 23:30 in New York came
// on that day, whatever the date in Greenwich.
func TestClockCountsTheOperatorsDay(t *testing.T) {
	received := at(t, "America/New_York", "2026-01-30 23:30")
	c := Law{Profile: "eu", Zone: received.Location()}.Clock(CaseErasure, received.UTC())
	if got := told(c.Due); got != "2026-02-28 23:30" {
		t.Errorf("due %s", got)
	}
	if utc := (Law{Profile: "eu"}).Clock(CaseErasure, received); told(utc.Due) != "2026-02-28 04:30" {
		t.Errorf("in UTC due %s", told(utc.Due))
	}
}

func TestClockOfTheOperator(t *testing.T) {
	received := at(t, "UTC", "2026-12-21 12:00")
	law := Law{Profile: "eu", Days: map[CaseKind]int{CaseAccess: 14, CaseErasure: 99}, First: 3, Holidays: []string{"12-25", "2026-12-24"}}
	if got := told(law.Clock(CaseAccess, received).Due); got != "2027-01-04 12:00" {
		t.Errorf("an own shorter promise: due %s", got)
	}
	if got := told(law.Clock(CaseErasure, received).Due); got != "2027-01-21 12:00" {
		t.Errorf("a promise longer than the law: due %s", got)
	}
	if got := told(law.Clock(CaseGuardian, received).First); got != "2026-12-28 12:00" {
		t.Errorf("three working days over Christmas: %s", got)
	}
	if got := told(law.Settle(received)); got != "2027-01-21 12:00" {
		t.Errorf("settled by %s", got)
	}
	for profile, want := range map[string]int{"": 28, "eu": 28, "canada": 30, "us": 45} {
		if got := (Law{Profile: profile}).Shortest(); got != want {
			t.Errorf("the shortest of %q is %d days, want %d", profile, got, want)
		}
	}
}

func TestMarks(t *testing.T) {
	for _, tt := range []struct{ received, due, soon, help, last string }{
		{"2026-01-15 09:30", "2026-02-15 09:30", "2026-02-04 09:30", "2026-02-09 09:30", "2026-02-11 09:30"},
		{"2026-01-31 09:30", "2026-02-28 09:30", "2026-02-20 09:30", "2026-02-25 09:30", "2026-02-27 09:30"},
		{"2026-06-01 09:30", "2026-07-16 09:30", "2026-07-01 09:30", "2026-07-08 09:30", "2026-07-11 09:30"},
		{"2026-06-05 17:00", "2026-06-12 17:00", "2026-06-09 17:00", "2026-06-10 17:00", "2026-06-11 17:00"},
		{"2026-01-15 09:30", "2026-04-15 09:30", "2026-03-16 09:30", "2026-03-31 09:30", "2026-04-06 09:30"},
	} {
		m := Law{}.Marks(at(t, "UTC", tt.received), at(t, "UTC", tt.due))
		if got, want := told(m.Soon)+told(m.Help)+told(m.Last), tt.soon+tt.help+tt.last; got != want {
			t.Errorf("from %s to %s: %s, want %s", tt.received, tt.due, got, want)
		}
	}
	berlin := at(t, "Europe/Berlin", "2026-03-10 09:30")
	if m := (Law{Zone: berlin.Location()}).Marks(berlin, berlin.AddDate(0, 1, 0)); told(m.Soon) != "2026-03-30 09:30" {
		t.Errorf("over the change of the clocks: %s", told(m.Soon))
	}
}

func TestRemind(t *testing.T) {
	received := at(t, "UTC", "2026-06-01 09:30")
	for _, tt := range []struct {
		day, asked, reminded, want int
	}{
		{6, 0, 0, 0}, {7, 0, 0, 1}, {7, 0, 1, 0}, {13, 7, 1, 0}, {14, 7, 1, 2}, {14, 7, 2, 0}, {20, 14, 2, 0},
		{16, 0, 0, 2}, // nothing ran for days: one reminder, not two
		{7, 6, 0, 0},  // the question itself went out late
		{9, 6, 0, 1},
	} {
		if got := (Law{}).Remind(received, received.AddDate(0, 0, tt.asked), received.AddDate(0, 0, tt.day), tt.reminded); got != tt.want {
			t.Errorf("day %d, asked on day %d, reminded %d times: %d, want %d", tt.day, tt.asked, tt.reminded, got, tt.want)
		}
	}
}
