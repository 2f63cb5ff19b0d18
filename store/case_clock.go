package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"heed/consent"
)

// Watched says what a look at the clocks of the cases found to do.
type Watched struct{ Reminded, Raised, Over int }

// WatchCases looks at the clock of every open case: it writes the reminder that
// is due, raises the alarm that is due, and ends alarms whose cause is gone.
// It may run anywhere, any number of times at once, and after any pause: what
// is done already is not done again, and of what was missed only the latest
// is done.
func (s *Store) WatchCases(ctx context.Context) (Watched, error) {
	var w Watched
	now := s.now().UTC()
	open, err := s.Cases(ctx, true)
	if err != nil {
		return w, err
	}
	raised, err := s.caseAlarms(ctx)
	if err != nil {
		return w, err
	}
	for _, c := range open {
		if err := s.watchCase(ctx, c, now, raised[caseKey(c.ID)], &w); err != nil {
			return w, err
		}
		delete(raised, caseKey(c.ID))
	}
	for key, kinds := range raised { // of cases that have ended
		if err := s.endAlarms(ctx, key, kinds, false, &w); err != nil {
			return w, err
		}
	}
	return w, nil
}

// caseAlarms lists the kinds of open alarms of each case.
func (s *Store) caseAlarms(ctx context.Context) (map[string][]string, error) {
	all, err := s.Alarms(ctx, true)
	raised := map[string][]string{}
	for _, a := range all {
		fresh := a.Kind == AlarmCaseLetter && s.now().Sub(a.Raised) < letterAlarm
		if slices.Contains(watched, a.Kind) && !fresh {
			raised[a.Key] = append(raised[a.Key], a.Kind)
		}
	}
	return raised, err
}

// watched are the alarms that come and go with the clock of a case.
var watched = []string{AlarmCaseSoon, AlarmCaseLast, AlarmCaseOverdue, AlarmCaseFirst, AlarmCaseHelp, AlarmCaseLetter}

// letterAlarm is how long it is told that a letter was refused which was the
// last of its case.
const letterAlarm = 7 * 24 * time.Hour

// urgency orders the alarms of one clock: the higher takes the place of the
// lower.
var urgency = []string{AlarmCaseSoon, AlarmCaseLast, AlarmCaseOverdue}

func (s *Store) watchCase(ctx context.Context, c Case, now time.Time, raised []string, w *Watched) error {
	if n := s.reminder(c, now); n > 0 {
		if err := s.remind(ctx, c, n, w); err != nil {
			return err
		}
	}
	wanted := s.wantedAlarms(c, now)
	for _, kind := range wanted {
		if slices.Contains(raised, kind) {
			continue
		}
		if err := s.raiseForCase(ctx, c, kind, w); err != nil {
			return err
		}
	}
	for _, kind := range raised {
		if kind == AlarmCaseLetter || slices.Contains(wanted, kind) { // a letter stays refused until the case ends
			continue
		}
		replaced := slices.Contains(urgency, kind) && slices.ContainsFunc(wanted, func(k string) bool { return slices.Contains(urgency, k) })
		if err := s.endAlarms(ctx, caseKey(c.ID), []string{kind}, replaced, w); err != nil {
			return err
		}
	}
	return nil
}

// reminder is the number of the reminder that is due, or 0.
func (s *Store) reminder(c Case, now time.Time) int {
	if c.State != consent.CaseWaiting || !now.Before(c.Due) || now.After(c.Until) {
		return 0
	}
	asked := c.LastAsked
	if asked.IsZero() {
		asked = c.Opened
	}
	return s.law.Remind(c.Received, asked, now, c.Reminded)
}

// remind writes the reminder, unless another scheduler was faster.
func (s *Store) remind(ctx context.Context, c Case, n int, w *Watched) error {
	err := s.inTx(ctx, "reminding somebody of a question", func(t *tx) error {
		done, err := t.exec(ctx, `UPDATE privacy_case SET reminded = $2, last_asked = $3 WHERE id = $1 AND reminded < $2 AND state = 'waiting'`,
			c.ID, n, t.now.UnixMicro())
		if err != nil || done == 0 {
			return err
		}
		_, err = t.writeFor(ctx, c, WriteRemind, Words{})
		return err
	})
	if err == nil {
		w.Reminded++
	}
	s.pokeAll()
	return err
}

// wantedAlarms lists the alarms that a case deserves now.
func (s *Store) wantedAlarms(c Case, now time.Time) []string {
	var wanted []string
	marks := s.law.Marks(c.Received, c.Due)
	switch {
	case !now.Before(c.Due):
		wanted = append(wanted, AlarmCaseOverdue)
	case !now.Before(marks.Last):
		wanted = append(wanted, AlarmCaseLast)
	case !now.Before(marks.Soon):
		wanted = append(wanted, AlarmCaseSoon)
	}
	if c.State == consent.CaseWaiting && (!now.Before(marks.Help) || now.After(c.Until)) {
		wanted = append(wanted, AlarmCaseHelp)
	}
	own := c.FirstDue.Equal(c.Due)
	if !own && !c.FirstDue.IsZero() && c.Answered.IsZero() && !now.Before(s.law.Marks(c.Received, c.FirstDue).Soon) {
		wanted = append(wanted, AlarmCaseFirst)
	}
	return wanted
}

func (s *Store) raiseForCase(ctx context.Context, c Case, kind string, w *Watched) error {
	err := s.inTx(ctx, "raising the alarm of a case", func(t *tx) error {
		isNew, err := t.raiseNew(ctx, kind, caseKey(c.ID))
		if err != nil || !isNew {
			return err
		}
		return t.note(ctx, c.ID, "alarmed", "", c.holder(), Detail{Text: kind})
	})
	if err == nil {
		w.Raised++
	}
	return err
}

func (s *Store) endAlarms(ctx context.Context, key string, kinds []string, quiet bool, w *Watched) error {
	err := s.inTx(ctx, "ending the alarms of a case", func(t *tx) error {
		for _, kind := range kinds {
			if err := t.endAlarm(ctx, kind, key, quiet); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		w.Over += len(kinds)
	}
	return err
}

// clearCaseAlarms ends all alarms of a case with the case.
func (t *tx) clearCaseAlarms(ctx context.Context, id int64) error {
	for _, kind := range watched {
		if err := t.clearAlarm(ctx, kind, caseKey(id)); err != nil {
			return err
		}
	}
	return nil
}

// firstAnswer notes that the person has heard from us. Laws ask for a
// confirmation, which a machine can give; an operator's own promise is that
// somebody answers. A case that went by that clock up to here has a month from
// its beginning to be settled.
func (t *tx) firstAnswer(ctx context.Context, id int64, byStaff bool) error {
	c, err := scanCase(t.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM privacy_case WHERE id = $1`+t.s.d.forUpdate, id))
	if err != nil {
		return fmt.Errorf("noting the first answer in case %d: %w", id, err)
	}
	if !c.Answered.IsZero() || !byStaff && !c.Kind.HasClock() {
		return nil
	}
	due := c.Due
	if !c.Kind.HasClock() {
		due = t.s.law.Settle(c.Received)
	}
	_, err = t.exec(ctx, `UPDATE privacy_case SET answered = $2, due = $3 WHERE id = $1`, id, t.now.UnixMicro(), due.UnixMicro())
	return err
}
