package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"heed/consent"
)

const inTray = `tray y JOIN inbound i ON i.id = y.inbound LEFT JOIN mail_text m ON m.inbound = i.id`

// Tray lists the mails that ask for nothing, oldest first.
func (s *Store) Tray(ctx context.Context) ([]MailText, error) {
	return s.mailTexts(ctx, inTray)
}

// TrayMail reads one of them.
func (s *Store) TrayMail(ctx context.Context, id int64) (MailText, error) {
	all, err := s.mailTexts(ctx, inTray+` WHERE i.id = $1`, id)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("mail %d is not in the tray: %w", id, ErrNotFound)
	}
	if err != nil {
		return MailText{}, err
	}
	return all[0], nil
}

// ClearTray deletes mails from the tray, with their texts. ids says which; with
// none, all that came before a moment.
func (s *Store) ClearTray(ctx context.Context, ids []int64, before time.Time) (n int, err error) {
	for {
		some, err := s.trayPage(ctx, ids, before)
		if err != nil || len(some) == 0 {
			return n, err
		}
		if err := s.dropTray(ctx, some); err != nil {
			return n, err
		}
		n += len(some)
	}
}

// portion bounds a transaction that deletes what was kept: nothing that is
// urgent waits for more than one.
const portion = 500

func (s *Store) trayPage(ctx context.Context, ids []int64, before time.Time) ([]int64, error) {
	query, args := `SELECT inbound FROM tray WHERE received < $1`, []any{before.UnixMicro()}
	if len(ids) > 0 {
		query, args = `SELECT inbound FROM tray WHERE inbound IN (`+list(len(ids), 1)+`)`, nil
		for _, id := range ids {
			args = append(args, id)
		}
	}
	found, err := s.read.QueryContext(ctx, query+fmt.Sprintf(` ORDER BY inbound LIMIT %d`, portion), args...)
	if err != nil {
		return nil, fmt.Errorf("looking into the tray: %w", err)
	}
	return gather(found, single[int64])
}

func (s *Store) dropTray(ctx context.Context, ids []int64) error {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	in := ` WHERE inbound IN (` + list(len(ids), 1) + `)`
	var holders []string
	err := s.inTx(ctx, "clearing the tray", func(t *tx) error {
		var err error
		if holders, err = t.texts(ctx, `SELECT holder FROM mail_text`+in, args...); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `DELETE FROM mail_text`+in, args...); err != nil {
			return err
		}
		_, err = t.exec(ctx, `DELETE FROM tray`+in, args...)
		return err
	})
	if err != nil {
		return err
	}
	return s.forgetMails(ctx, holders)
}

// forgetMails deletes the keys of mails that named nobody; those of people stay
// with the people.
func (s *Store) forgetMails(ctx context.Context, holders []string) error {
	var gone []string
	for _, holder := range holders {
		if strings.HasPrefix(holder, "mail ") {
			gone = append(gone, holder)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return s.keys.forget(ctx, gone...)
}

// CaseFromTray makes a case of a mail in the tray: with a clock from the day on
// which it came, and with a hold on whoever wrote it, as if it had been read as
// a request at once.
func (s *Store) CaseFromTray(ctx context.Context, id int64, kind consent.CaseKind, by string) (c Case, err error) {
	text, err := s.TrayMail(ctx, id)
	if err != nil {
		return c, err
	}
	var caseNo int64
	err = s.inTx(ctx, "making a case of a mail", func(t *tx) error {
		var one int64
		err := t.QueryRowContext(ctx, `DELETE FROM tray WHERE inbound = $1 RETURNING inbound`, id).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("mail %d is not in the tray: %w", id, ErrNotFound)
		}
		if err != nil {
			return err
		}
		m := Inbound{Mailbox: text.Mailbox, Received: text.Received, MessageID: text.MessageID, By: by,
			Request: consent.Request{Kind: consent.Kind(kind), From: text.Address, Language: text.Language}}
		who, _, err := t.s.Key(text.Address)
		_, k, err := t.openCaseByMail(ctx, m, who, err == nil)
		if err != nil {
			return err
		}
		caseNo = k.caseNo
		_, err = t.exec(ctx, `UPDATE inbound SET outcome = 'case', caseno = $2, address = $3 WHERE id = $1`, id, caseNo, k.key)
		return err
	})
	s.pokeAll()
	if err != nil {
		return c, err
	}
	return s.Case(ctx, caseNo)
}
