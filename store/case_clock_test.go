package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// diary is what happened on which day.
type diary struct {
	t *testing.T
	s *store.Store
	c *clock

	began   time.Time
	entries []string
	letters map[int64]bool
}

func newDiary(t *testing.T, s *store.Store, c *clock) *diary {
	return &diary{t: t, s: s, c: c, began: c.at, letters: map[int64]bool{}}
}

// day turns the clock to the morning after, looks at the cases as two
// schedulers at once do, lets the relay take what was written, and writes down
// what happened.
func (d *diary) day(n int) {
	d.t.Helper()
	ctx := context.Background()
	d.c.at = d.began.AddDate(0, 0, n).Add(time.Minute)
	before := d.alarms()
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := d.s.WatchCases(ctx); err != nil {
				d.t.Error(err)
			}
		})
	}
	both.Wait()
	d.post(n)
	after := d.alarms()
	for _, a := range after {
		if !slices.Contains(before, a) {
			d.note(n, "+"+a)
		}
	}
	for _, a := range before {
		if !slices.Contains(after, a) {
			d.note(n, "-"+a)
		}
	}
}

func (d *diary) note(n int, what string) {
	d.entries = append(d.entries, fmt.Sprintf("%d:%s", n, what))
}

// post hands over every letter that waits.
func (d *diary) post(n int) {
	ctx := context.Background()
	cases, err := d.s.Cases(ctx, false)
	must(d.t, err)
	for _, one := range cases {
		f, err := d.s.CaseFile(ctx, one.ID)
		must(d.t, err)
		for _, l := range f.Letters {
			if l.State == "waiting" {
				must(d.t, d.s.EndCorrespondence(ctx, l, "sent", 250))
				d.note(n, fmt.Sprintf("%s/%d", l.Kind, l.Case))
			}
		}
	}
}

func (d *diary) alarms() (open []string) {
	all, err := d.s.Alarms(context.Background(), true)
	must(d.t, err)
	for _, a := range all {
		open = append(open, a.Kind+"/"+strings.TrimPrefix(a.Key, "case "))
	}
	return open
}

func (d *diary) wants(want ...string) {
	d.t.Helper()
	got, wanted := strings.Join(d.entries, "\n"), strings.Join(want, "\n")
	if got != wanted {
		d.t.Errorf("the diary is\n%s\nwant\n%s", got, wanted)
	}
}

func european(c *clock) func(*store.Options) {
	return func(o *store.Options) { c.options(o); o.Law = consent.Law{Profile: "eu"} }
}

// TestFortyDays lets forty days go by over an erasure that nobody confirms, one
// that is confirmed on day 9, a correction that nobody works on, and a
// complaint that is answered on day 5 and ended on day 21.
func TestFortyDays(t *testing.T) {
	start := newClock()
	c := newClock()
	storetest.EnginesWith(t, european(c), func(t *testing.T, s *store.Store) {
		c.at = start.at
		ctx := context.Background()
		people(t, s, 4)
		for i, kind := range []consent.Kind{consent.KindErasure, consent.KindErasure, consent.KindRectification, consent.KindComplaint} {
			wrote(t, s, int64(i+1), store.Inbound{Received: c.at, Request: request(kind, fmt.Sprintf("p%d@example.com", i))})
		}
		d := newDiary(t, s, c)
		for n := range 41 {
			d.day(n)
			d.day(n) // the next minute changes nothing
			switch n {
			case 5:
				_, err := s.Answer(ctx, 4, "we look into it", "ann")
				must(t, err)
			case 9:
				one, err := s.Case(ctx, 2)
				must(t, err)
				token, err := s.ConfirmLink(one)
				must(t, err)
				link, err := s.Keys().Links.Open(token)
				must(t, err)
				_, err = s.Confirm(ctx, link)
				must(t, err)
				_, err = s.Resolve(ctx, 2, store.Resolution{Outcome: "done by hand", Quiet: true})
				must(t, err)
			case 21:
				_, err := s.Resolve(ctx, 4, store.Resolution{Outcome: "done"})
				must(t, err)
			}
		}
		d.wants("0:receipt/4", "0:confirm/1", "0:confirm/2", "0:receipt/3",
			"4:+case_due_soon/4",
			"6:staff/4", "6:+case_due_now/4", "6:-case_due_soon/4", "6:-case_due_now/4",
			"7:remind/1", "7:remind/2",
			"14:remind/1",
			"20:+case_due_soon/1", "20:+case_due_soon/3", "20:+case_due_soon/4",
			"22:outcome/4",
			"25:+case_needs_help/1",
			"27:+case_due_now/1", "27:+case_due_now/3", "27:-case_due_soon/1", "27:-case_due_soon/3",
			"30:+case_overdue/1", "30:+case_overdue/3", "30:-case_due_now/1", "30:-case_due_now/3")
	})
}

// TestDaysMissed: the process was down from day 6 to day 16, and from day 18 to
// day 29. Of what was missed, only the latest is done.
func TestDaysMissed(t *testing.T) {
	start := newClock()
	c := newClock()
	storetest.EnginesWith(t, european(c), func(t *testing.T, s *store.Store) {
		c.at = start.at
		people(t, s, 1)
		wrote(t, s, 1, store.Inbound{Received: c.at, Request: request(consent.KindErasure, "p0@example.com")})
		d := newDiary(t, s, c)
		for _, n := range []int{0, 1, 5, 16, 17, 29, 31} {
			d.day(n)
		}
		d.wants("0:confirm/1", "16:remind/1", "29:+case_due_now/1", "29:+case_needs_help/1", "31:+case_overdue/1", "31:-case_due_now/1")
	})
}

// TestALetterThatIsRefused is for a person to look at, until the case ends.
func TestALetterThatIsRefused(t *testing.T) {
	start := newClock()
	c := newClock()
	storetest.EnginesWith(t, european(c), func(t *testing.T, s *store.Store) {
		c.at = start.at
		ctx := context.Background()
		people(t, s, 1)
		wrote(t, s, 1, store.Inbound{Received: c.at, Request: request(consent.KindComplaint, "p0@example.com")})
		letter, err := s.Answer(ctx, 1, "sorry", "ann")
		must(t, err)
		l, err := s.Correspondence(ctx, letter)
		must(t, err)
		must(t, s.EndCorrespondence(ctx, l, "rejected", 550))
		d := newDiary(t, s, c)
		if got := d.alarms(); len(got) != 1 || got[0] != "case_letter_refused/1" {
			t.Fatalf("alarms %v", got)
		}
		if one, _ := s.Case(ctx, 1); !one.Answered.IsZero() {
			t.Error("a refused letter counts as an answer")
		}
		d.day(1)
		_, err = s.Resolve(ctx, 1, store.Resolution{Outcome: "told by telephone", Quiet: true})
		must(t, err)
		if got := d.alarms(); len(got) != 0 {
			t.Errorf("after the end: %v", got)
		}
	})
}
