package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// The kinds of alarms. docs/runbook.md says of each what it means and what to
// do.
const (
	AlarmCaseSoon    = "case_due_soon"       // two thirds of a case's time are over
	AlarmCaseLast    = "case_due_now"        // nine tenths are
	AlarmCaseOverdue = "case_overdue"        // all of it is
	AlarmCaseFirst   = "case_first_answer"   // the first answer is due
	AlarmCaseHelp    = "case_needs_help"     // the person does not click
	AlarmCaseLetter  = "case_letter_refused" // the relay refused a letter of a case for good
	AlarmMailbox     = "mailbox_unreachable"
	AlarmBrake       = "optout_brake"
	AlarmJournal     = "journal_unreachable"
	AlarmSystem      = "system_silent"     // another system has not said what became of a person's data
	AlarmRestored    = "database_restored" // an older copy was put back, and campaigns are on hold
	AlarmForeign     = "foreign_reports"   // somebody else seems to write in our name
	AlarmPaused      = "campaign_paused"   // a campaign paused itself
	AlarmInbox       = "inbox_silent"      // no process reads a mailbox
	AlarmAlertHeld   = "alert_held"        // an alert waits for a second person
	AlarmPartner     = "partner_silent"    // a partner has not said that it stopped using somebody's data
	AlarmFeed        = "feed_late"         // the file of a partner still holds somebody who withdrew
	AlarmService     = "service_unchecked" // somebody said that they use a service no more, and nobody has looked
	AlarmWebhook     = "webhook_off"       // a webhook failed for days, and is told nothing any more
	AlarmJobs        = "job_failing"       // work of a kind fails again and again
	AlarmTest        = "test"
)

// AlarmKinds lists the kinds.
func AlarmKinds() []string {
	return []string{AlarmCaseSoon, AlarmCaseLast, AlarmCaseOverdue, AlarmCaseFirst, AlarmCaseHelp, AlarmCaseLetter,
		AlarmMailbox, AlarmBrake, AlarmJournal, AlarmSystem, AlarmRestored, AlarmForeign, AlarmPaused, AlarmInbox,
		AlarmAlertHeld, AlarmPartner, AlarmFeed, AlarmService, AlarmWebhook, AlarmJobs, AlarmTest}
}

// Alarm is something that the operator must know at once. Key says which thing
// it is about, and never names a person.
type Alarm struct {
	ID              int64
	Kind, Key       string
	Raised, Cleared time.Time
	Quiet           bool         // a more urgent one took its place: that it is over is not told
	Told            []AlarmHeard // by which ways it went out
}

// AlarmHeard is that a way took an alarm.
type AlarmHeard struct {
	Way  string // webhook | mail
	Says string // raised | over
	At   time.Time
}

// Says is what is to be told of an alarm now.
func (a Alarm) Says() string {
	if a.Cleared.IsZero() {
		return "raised"
	}
	return "over"
}

// Heard tells when a way last took what an alarm says; zero: never.
func (a Alarm) Heard(way, says string) time.Time {
	for _, one := range a.Told {
		if one.Way == way && one.Says == says {
			return one.At
		}
	}
	return time.Time{}
}

// AlarmEvery is how often an alarm is told again while its cause is there.
const AlarmEvery = 24 * time.Hour

func caseKey(id int64) string { return "case " + strconv.FormatInt(id, 10) }

// raise sets off an alarm, once: while it is open the same kind and key are
// quiet. key says which thing, never who.
func (t *tx) raise(ctx context.Context, kind, key string) error {
	_, err := t.raiseNew(ctx, kind, key)
	return err
}

func (t *tx) raiseNew(ctx context.Context, kind, key string) (isNew bool, err error) {
	id, err := t.take(ctx, "alarm", 1)
	if err != nil {
		return false, err
	}
	n, err := t.exec(ctx, `INSERT INTO alarm (id, kind, key, raised) VALUES ($1, $2, $3, $4) ON CONFLICT (kind, key) WHERE cleared IS NULL DO NOTHING`,
		id, kind, key, t.now.UnixMicro())
	if err != nil {
		return false, fmt.Errorf("raising the alarm %s: %w", kind, err)
	}
	if n == 0 {
		return false, nil
	}
	return true, t.tellAlarm(ctx, id)
}

// tellAlarm stores the job that tells an alarm by every way. It goes with the
// alerts: people's letters must not wait for an operator's server.
func (t *tx) tellAlarm(ctx context.Context, id int64) error {
	_, err := t.addJobs(ctx, 1, Job{Queue: "alert", Kind: "alarm", Subject: id})
	return err
}

// clearAlarm ends an alarm whose cause is gone, and has that told.
func (t *tx) clearAlarm(ctx context.Context, kind, key string) error {
	return t.endAlarm(ctx, kind, key, false)
}

func (t *tx) endAlarm(ctx context.Context, kind, key string, quiet bool) error {
	var id int64
	err := t.QueryRowContext(ctx, `UPDATE alarm SET cleared = $3, quiet = $4 WHERE kind = $1 AND key = $2 AND cleared IS NULL RETURNING id`,
		kind, key, t.now.UnixMicro(), flag(quiet)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("clearing the alarm %s: %w", kind, err)
	}
	if quiet {
		return nil
	}
	return t.tellAlarm(ctx, id)
}

// RaiseAlarm sets off an alarm from outside a business step.
func (s *Store) RaiseAlarm(ctx context.Context, kind, key string) error {
	return s.inTx(ctx, "raising an alarm", func(t *tx) error { return t.raise(ctx, kind, key) })
}

// ClearAlarm ends an alarm from outside a business step.
func (s *Store) ClearAlarm(ctx context.Context, kind, key string) error {
	return s.inTx(ctx, "clearing an alarm", func(t *tx) error { return t.clearAlarm(ctx, kind, key) })
}

// MatchAlarms makes the open alarms of a kind those that are wanted now, by
// their keys: it raises what is missing and ends what is no longer true.
func (s *Store) MatchAlarms(ctx context.Context, kind string, wanted []string) error {
	open, err := s.alarms(ctx, ` WHERE cleared IS NULL AND kind = $1`, kind)
	if err != nil {
		return err
	}
	missing := slices.Clone(wanted)
	for _, a := range open {
		if i := slices.Index(missing, a.Key); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
		} else if err := s.ClearAlarm(ctx, kind, a.Key); err != nil {
			return err
		}
	}
	for _, key := range missing {
		if err := s.RaiseAlarm(ctx, kind, key); err != nil {
			return err
		}
	}
	return nil
}

const alarmColumns = `id, kind, key, raised, cleared, quiet`

// Alarms lists the alarms, the newest last; open leaves out those that are
// over.
func (s *Store) Alarms(ctx context.Context, open bool) ([]Alarm, error) {
	where := ``
	if open {
		where = ` WHERE cleared IS NULL`
	}
	return s.alarms(ctx, where)
}

// Alarm reads one alarm.
func (s *Store) Alarm(ctx context.Context, id int64) (Alarm, error) {
	all, err := s.alarms(ctx, ` WHERE id = $1`, id)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("alarm %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return Alarm{}, err
	}
	return all[0], nil
}

func (s *Store) alarms(ctx context.Context, where string, args ...any) ([]Alarm, error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+alarmColumns+` FROM alarm`+where+` ORDER BY id`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading alarms: %w", err)
	}
	defer found.Close()
	var all []Alarm
	for found.Next() {
		var a Alarm
		var raised int64
		var cleared sql.NullInt64
		if err := found.Scan(&a.ID, &a.Kind, &a.Key, &raised, &cleared, &a.Quiet); err != nil {
			return nil, err
		}
		a.Raised, a.Cleared = time.UnixMicro(raised).UTC(), fromMicro(cleared)
		all = append(all, a)
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	return all, s.readHeard(ctx, all, where, args...)
}

func (s *Store) readHeard(ctx context.Context, all []Alarm, where string, args ...any) error {
	found, err := s.read.QueryContext(ctx, `SELECT alarm, way, says, at FROM alarm_told WHERE alarm IN (SELECT id FROM alarm`+where+`) ORDER BY at`, args...)
	if err != nil {
		return fmt.Errorf("reading who heard of alarms: %w", err)
	}
	defer found.Close()
	places := map[int64]int{}
	for i, a := range all {
		places[a.ID] = i
	}
	for found.Next() {
		var id, at int64
		var h AlarmHeard
		if err := found.Scan(&id, &h.Way, &h.Says, &at); err != nil {
			return err
		}
		h.At = time.UnixMicro(at).UTC()
		if i, known := places[id]; known {
			all[i].Told = append(all[i].Told, h)
		}
	}
	return found.Err()
}

// AlarmTold notes that a way took an alarm.
func (s *Store) AlarmTold(ctx context.Context, id int64, way, says string) error {
	return s.inTx(ctx, "noting that an alarm was told", func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO alarm_told (alarm, way, says, at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (alarm, way, says) DO UPDATE SET at = $4`, id, way, says, t.now.UnixMicro())
		return err
	})
}

// RepeatAlarms has every alarm told again whose cause is still there a day
// after it was last told.
func (s *Store) RepeatAlarms(ctx context.Context) (n int, err error) {
	err = s.inTx(ctx, "repeating alarms", func(t *tx) error {
		found, err := t.QueryContext(ctx, `SELECT a.id FROM alarm a WHERE a.cleared IS NULL
			AND a.id NOT IN (SELECT subject FROM job WHERE kind = 'alarm' AND subject IS NOT NULL AND (state IN ('ready', 'carried', 'running') OR changed > $1))`,
			t.now.Add(-AlarmEvery).UnixMicro())
		if err != nil {
			return fmt.Errorf("looking for alarms to repeat: %w", err)
		}
		ids, err := gather(found, single[int64])
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := t.tellAlarm(ctx, id); err != nil {
				return err
			}
		}
		n = len(ids)
		return nil
	})
	return n, err
}
