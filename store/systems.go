package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// Notice is that another system is told of an erasure.
type Notice struct {
	ID     int64
	Case   int64
	System string // id in the configuration
	Name   string
	Answer
	Asked time.Time // when it was told first; zero: not yet
	Tries int
	Ended time.Time
}

// Answer is what a system says. Accepted is no answer yet: it is asked again.
type Answer struct {
	State string    // due | accepted | deleted | kept
	Law   string    // for which something is kept
	Until time.Time // when it will be deleted; zero: not told
}

// Final tells whether a system has said what became of the data.
func (a Answer) Final() bool { return a.State == "deleted" || a.State == "kept" }

// Erased is what a system needs to find the person. It is kept sealed until the
// certificate was sent.
type Erased struct {
	Email       string   `json:"email,omitempty"`
	ExternalIDs []string `json:"external_ids"`
}

// systemSilence is how long a system may be silent before the alarm.
const systemSilence = 3 * 24 * time.Hour

// planNotices lists the systems that are to be told, with the jobs that do it.
func (t *tx) planNotices(ctx context.Context, caseNo int64, keys []consent.Key, restored bool) error {
	for i, one := range t.s.plan.Systems {
		tells, err := t.tells(ctx, one.ID, keys, restored)
		if err != nil {
			return err
		}
		if !tells {
			continue
		}
		id, err := t.take(ctx, "system_notice", 1)
		if err != nil {
			return err
		}
		if err := t.addItem(ctx, caseNo, 100+i, systemItem(one.ID), "waiting"); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO system_notice (id, caseno, system, name, state) VALUES ($1, $2, $3, $4, 'due')`, id, caseNo, one.ID, one.Name); err != nil {
			return fmt.Errorf("listing a system to be told: %w", err)
		}
		if _, err := t.addJobs(ctx, 1, Job{Queue: "privacy", Kind: "tell", Subject: id}); err != nil {
			return err
		}
	}
	return nil
}

func systemItem(id string) string { return "system " + id }

const noticeColumns = `id, caseno, system, name, state, law, until, asked, tries, ended`

func scanNotice(row scanner) (n Notice, err error) {
	var until, asked, ended sql.NullInt64
	err = row.Scan(&n.ID, &n.Case, &n.System, &n.Name, &n.State, &n.Law, &until, &asked, &n.Tries, &ended)
	n.Until, n.Asked, n.Ended = fromMicro(until), fromMicro(asked), fromMicro(ended)
	return n, err
}

// Notices lists what the systems of a case were told and answered.
func (s *Store) Notices(ctx context.Context, caseNo int64) (all []Notice, err error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+noticeColumns+` FROM system_notice WHERE caseno = $1 ORDER BY id`, caseNo)
	if err != nil {
		return nil, fmt.Errorf("listing what systems were told: %w", err)
	}
	return gather(found, scanNotice)
}

// Notice reads one, with what the system needs to find the person.
func (s *Store) Notice(ctx context.Context, id int64) (n Notice, who Erased, err error) {
	n, err = scanNotice(s.read.QueryRowContext(ctx, `SELECT `+noticeColumns+` FROM system_notice WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return n, who, fmt.Errorf("notice %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return n, who, err
	}
	var sealed string
	if err := s.read.QueryRowContext(ctx, `SELECT sealed FROM erasure WHERE caseno = $1`, n.Case).Scan(&sealed); err != nil {
		return n, who, err
	}
	var last farewell
	_, err = s.unseal(ctx, caseHolder(n.Case), sealed, &last)
	return n, Erased{Email: last.To, ExternalIDs: append([]string{}, last.ExternalIDs...)}, err
}

// Unanswered notes that a system was told in vain, or has only accepted. Three
// days after the first time the alarm goes off.
func (s *Store) Unanswered(ctx context.Context, n Notice, accepted bool) error {
	return s.inTx(ctx, "noting that a system has not answered", func(t *tx) error {
		state := "due"
		if accepted {
			state = "accepted"
		}
		_, err := t.exec(ctx, `UPDATE system_notice SET state = CASE WHEN state = 'due' THEN $2 ELSE state END, tries = tries + 1, asked = COALESCE(asked, $3)
			WHERE id = $1 AND ended IS NULL`, n.ID, state, t.now.UnixMicro())
		if err != nil {
			return err
		}
		var asked int64
		if err := t.QueryRowContext(ctx, `SELECT asked FROM system_notice WHERE id = $1`, n.ID).Scan(&asked); err != nil {
			return err
		}
		if t.now.Sub(time.UnixMicro(asked)) < systemSilence {
			return nil
		}
		return t.raise(ctx, AlarmSystem, n.alarm())
	})
}

func (n Notice) alarm() string { return fmt.Sprintf("case %d, system %s", n.Case, n.System) }

// ErrAnswer means that an answer says nothing.
var ErrAnswer = errors.New("an answer is deleted, or kept with the law that wants it")

// Answered records what a system says, and ends the case if it was the last.
func (s *Store) Answered(ctx context.Context, caseNo int64, system string, a Answer) error {
	if !a.Final() || (a.State == "kept") != (a.Law != "") {
		return ErrAnswer
	}
	defer s.pokeAll()
	return s.inTx(ctx, "recording what a system answered", func(t *tx) error {
		n, err := scanNotice(t.QueryRowContext(ctx, `SELECT `+noticeColumns+` FROM system_notice WHERE caseno = $1 AND system = $2`, caseNo, system))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("case %d, system %s: %w", caseNo, system, ErrNotFound)
		}
		if err != nil {
			return err
		}
		if n.Final() {
			return fmt.Errorf("system %s has answered %s: %w", system, n.State, ErrState)
		}
		if _, err := t.exec(ctx, `UPDATE system_notice SET state = $2, law = $3, until = $4, ended = $5, asked = COALESCE(asked, $5) WHERE id = $1`,
			n.ID, a.State, a.Law, micro(a.Until), t.now.UnixMicro()); err != nil {
			return err
		}
		state, note := "done", n.Name+" has deleted"
		if a.State == "kept" {
			state, note = "kept", fmt.Sprintf("%s keeps: %s", n.Name, a.Law)
		}
		if err := t.setItem(ctx, caseNo, systemItem(system), state, note); err != nil {
			return err
		}
		if err := t.clearAlarm(ctx, AlarmSystem, n.alarm()); err != nil {
			return err
		}
		return t.endErasure(ctx, caseNo)
	})
}
