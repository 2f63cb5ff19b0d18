package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"heed/consent"
)

// MailText is what a person wrote, as staff read it.
type MailText struct {
	Inbound   int64     `json:"-"`
	Received  time.Time `json:"-"`
	Writer    string    `json:"from,omitempty"` // the From field, which proves nothing
	Address   string    `json:"address,omitempty"`
	Subject   string    `json:"subject,omitempty"`
	Text      string    `json:"text,omitempty"`
	MessageID string    `json:"message_id,omitempty"`
	Language  string    `json:"language,omitempty"`
	Mailbox   string    `json:"mailbox,omitempty"`
}

// maxKept bounds the text that is kept of one mail; the mail itself lies in its
// mailbox.
const maxKept = 64 << 10

// mailHolder seals what belongs to a mail that names nobody and has no case.
func mailHolder(inbound int64) string { return "mail " + strconv.FormatInt(inbound, 10) }

// keepText keeps the words of a mail that opened or joined a case or lies in
// the tray, and no others: nobody has to read those again.
func (t *tx) keepText(ctx context.Context, id int64, m Inbound, f Filing, k kept) error {
	if f.Outcome == "tray" {
		if _, err := t.exec(ctx, `INSERT INTO tray (inbound, received) VALUES ($1, $2)`, id, m.Received.UnixMicro()); err != nil {
			return fmt.Errorf("putting a mail into the tray: %w", err)
		}
	} else if f.Outcome != "case" {
		return nil
	}
	holder := t.holderOf(m, k, id)
	sealed, err := t.seal(ctx, holder, MailText{Writer: bounded(m.Writer, 1000), Address: m.Request.From, Subject: bounded(m.Subject, 1000),
		Text: bounded(m.Text, maxKept), MessageID: bounded(m.MessageID, 1000), Language: m.Request.Language, Mailbox: m.Mailbox})
	if err != nil {
		return err
	}
	if _, err = t.exec(ctx, `INSERT INTO mail_text (inbound, holder, sealed) VALUES ($1, $2, $3)`, id, holder, sealed); err != nil {
		return fmt.Errorf("keeping the text of a mail: %w", err)
	}
	return nil
}

// holderOf names whose key seals a mail's text: that of the address it is from,
// so that erasing that person makes it unreadable; else the case, else the mail.
func (t *tx) holderOf(m Inbound, k kept, id int64) string {
	if k.key != "" {
		return k.key
	}
	if key, _, err := t.s.Key(m.Request.From); err == nil {
		return key.String()
	}
	if k.caseNo != 0 {
		return caseHolder(k.caseNo)
	}
	return mailHolder(id)
}

// bounded cuts a text at the beginning of a letter.
func bounded(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// joined finds the open case that a mail belongs to which asks for nothing by
// itself: it answers our letter, or names the case's number. Both can be
// guessed, so that it must come from the address of the case as well.
func (t *tx) joined(ctx context.Context, m Inbound, who consent.Key, known bool) (kept, error) {
	asks := m.Request.Kind != consent.KindReview && m.Request.Kind != consent.KindUnrelated
	if asks || !known || m.Letter == 0 && m.Case == 0 {
		return kept{}, nil
	}
	if from, _, err := t.s.Key(m.Request.From); err != nil || from != who {
		return kept{}, nil
	}
	k := kept{key: who.String()}
	err := t.QueryRowContext(ctx, `SELECT id FROM privacy_case WHERE address = $1 AND ended IS NULL
		AND (id = $2 OR id = (SELECT caseno FROM correspondence WHERE id = $3)) ORDER BY id DESC LIMIT 1`, k.key, m.Case, m.Letter).Scan(&k.caseNo)
	if errors.Is(err, sql.ErrNoRows) {
		return kept{}, nil
	}
	if err != nil {
		return kept{}, fmt.Errorf("looking for the case that a mail belongs to: %w", err)
	}
	return k, t.note(ctx, k.caseNo, "mail", "", "", nil)
}

// mailTexts reads the kept mails that a query chooses, oldest first. Of those
// whose key is gone only the date is left.
func (s *Store) mailTexts(ctx context.Context, from string, args ...any) ([]MailText, error) {
	found, err := s.read.QueryContext(ctx, `SELECT i.id, i.received, COALESCE(m.holder, ''), COALESCE(m.sealed, '') FROM `+from+` ORDER BY i.received, i.id`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading mails: %w", err)
	}
	defer found.Close()
	var all []MailText
	for found.Next() {
		var m MailText
		var received int64
		var holder, sealed string
		if err := found.Scan(&m.Inbound, &received, &holder, &sealed); err != nil {
			return nil, err
		}
		if _, err := s.unseal(ctx, holder, sealed, &m); err != nil {
			return nil, err
		}
		m.Received = time.UnixMicro(received).UTC()
		all = append(all, m)
	}
	return all, found.Err()
}
