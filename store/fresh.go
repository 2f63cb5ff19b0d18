package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// FreshFor is how long a link is good that was mailed to the address on file,
// so that its holder can see and change everything.
const FreshFor = 24 * time.Hour

// An address is mailed such a link once an hour and three times a day, whoever
// asks how often: a page that anybody can open must not make a flood.
const (
	freshEvery = time.Hour
	freshADay  = 3
)

// Links that are asked for within an hour by giving an address: from one network,
// and by all together.
const (
	LinksOfNetwork = 20
	LinksAnHour    = 500
)

// MailLink writes a letter with a fresh link to whoever has the address of a key,
// unless it had one lately. All that is done here, and all that is answered, is the
// same whether anybody is stored under the key: who that is, and whether they may
// be written to, is looked up when the letter's turn comes, out of sight of whoever
// asked. network is where they asked from (see Network), empty for programs.
func (s *Store) MailLink(ctx context.Context, key consent.Key, network, language string) (asked bool, err error) {
	err = s.inTx(ctx, "mailing a link", func(t *tx) error {
		asked = false
		if err := t.countAsk(ctx, "link ", network, LinksOfNetwork, LinksAnHour); err != nil {
			return err
		}
		if _, err := t.lockKeys(ctx, []consent.Key{key}); err != nil {
			return err
		}
		var hour, day int
		if err := t.QueryRowContext(ctx, `SELECT count(CASE WHEN created > $3 THEN 1 END), count(*) FROM correspondence WHERE address = $1 AND kind = $2 AND created > $4`,
			key.String(), WriteChoices, t.now.Add(-freshEvery).UnixMicro(), t.now.Add(-24*time.Hour).UnixMicro()).Scan(&hour, &day); err != nil {
			return fmt.Errorf("counting the links of a day: %w", err)
		}
		if hour > 0 || day >= freshADay {
			return nil
		}
		asked = true
		_, err = t.write(ctx, key.String(), Correspondence{Kind: WriteChoices, Key: key.String(), Words: Words{Language: language}})
		return err
	})
	if err == nil {
		s.pokeAll()
	}
	return asked, err
}

// FreshLink seals a link that may see and change everything, until it has run
// out. It is only ever given to somebody who has shown who they are.
func (s *Store) FreshLink(key consent.Key, until time.Time) string {
	return s.keys.Links.SealUntil(consent.Link{Purpose: consent.PurposeChoices, Address: key}, until)
}

// StatusLink seals the secret link to the page that tells where a request
// stands.
func (s *Store) StatusLink(c Case) (string, error) {
	key, err := consent.ParseKey(c.Key)
	if err != nil {
		return "", fmt.Errorf("case %d names nobody: %w", c.ID, err)
	}
	return s.keys.Links.Seal(consent.Link{Purpose: consent.PurposeStatus, Address: key, Scope: uint16(c.ID)}), nil
}

// Withdraw ends a request that its person does not want any more, as long as it
// is not being carried out. The hold that it brought ends with it.
func (s *Store) Withdraw(ctx context.Context, l consent.Link) (c Case, err error) {
	if c, err = s.CaseOf(ctx, l); err != nil {
		return c, err
	}
	err = s.inTx(ctx, "withdrawing a request", func(t *tx) error {
		if _, err := t.lockKeys(ctx, []consent.Key{l.Address}); err != nil {
			return err
		}
		c, err := t.openCase(ctx, c.ID)
		if err == nil && !c.Withdrawable() {
			err = fmt.Errorf("case %d is being carried out: %w", c.ID, ErrState)
		}
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE privacy_case SET state = 'done', ended = $2, outcome = $3 WHERE id = $1`, c.ID, t.now.UnixMicro(), OutcomeWithdrawn); err != nil {
			return err
		}
		return firstOf(t.note(ctx, c.ID, "done", "", c.holder(), Detail{Text: OutcomeWithdrawn}), t.clearCaseAlarms(ctx, c.ID), t.liftCaseHolds(ctx, c))
	})
	if errors.Is(err, ErrState) {
		return c, err
	}
	s.pokeAll()
	if err != nil {
		return c, err
	}
	return s.Case(ctx, c.ID)
}

// OutcomeWithdrawn is the outcome of a request that its person took back.
const OutcomeWithdrawn = "withdrawn"

// Withdrawable tells whether a request can still be taken back.
func (c Case) Withdrawable() bool {
	return c.Ended.IsZero() && (c.State == consent.CaseOpen || c.State == consent.CaseWaiting)
}

// Progress is where a request stands, as its person may see it.
type Progress struct {
	Case
	BackupsGone time.Time // of a deletion; zero where no copies are declared
}

// ProgressOf finds the request that a secret link names. As long as a deletion
// is not done, the date is what the declared copies make of its last day.
func (s *Store) ProgressOf(ctx context.Context, l consent.Link) (p Progress, err error) {
	if p.Case, err = s.CaseOf(ctx, l); err != nil || p.Kind != consent.CaseErasure {
		return p, err
	}
	done, err := s.Certificate(ctx, p.ID)
	switch {
	case err == nil && !done.LastBackup.IsZero():
		p.BackupsGone = done.LastBackup
	case err == nil || errors.Is(err, ErrNoErasure):
		if len(s.plan.Backups) > 0 && (p.Ended.IsZero() || err == nil) {
			p.BackupsGone = p.Due.Add(longest(s.plan.Backups))
		}
		err = nil
	}
	return p, err
}
