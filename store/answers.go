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

// What heed writes by itself is bounded (RFC 3834 §2): an address gets one
// answer a day, whatever it sends us; a case asks twice; and all of it together
// never makes a flood of ours out of a flood of forgeries.
const (
	AnswerEvery   = 24 * time.Hour
	AsksPerCase   = 2
	LettersAnHour = 500
)

// automatic lists the letters that nobody of the staff wrote; hourly those that
// the hour's bound counts, with the links that people ask for on a page.
const (
	automaticKinds = `'` + WriteConfirm + `', '` + WriteNotice + `', '` + WriteAnswer + `', '` + WriteUnknown + `', '` + WriteReceipt + `', '` + WriteForged + `'`
	automatic      = `(` + automaticKinds + `)`
	hourly         = `(` + automaticKinds + `, '` + WriteChoices + `')`
)

// answerOptOut writes the one letter that an opt-out by mail is owed, if any. A
// mail that anybody could have written is announced to the address on file, with
// the way back; words are answered; a button is not.
func (t *tx) answerOptOut(ctx context.Context, m Inbound, who consent.Key, all []Stopped) error {
	if m.Request.NoReply != "" || len(all) == 0 {
		return nil
	}
	held, err := t.lockKeys(ctx, []consent.Key{who})
	if err != nil {
		return err
	}
	one := held[who]
	c := Correspondence{Kind: WriteAnswer, Inbound: m.id, Key: who.String(), Words: t.stoppedWords(m, all)}
	switch {
	case one.subject == "":
		return t.answerUnknown(ctx, m, who, one, 0)
	case !proven(m.Request) && c.Undo != 0:
		c.Kind = WriteNotice
	case m.Request.Button:
		return nil
	}
	return t.answer(ctx, holder(who, one), c)
}

// stoppedWords is what a letter tells of opt-outs.
func (t *tx) stoppedWords(m Inbound, all []Stopped) Words {
	w := Words{Language: m.Request.Language, InReplyTo: m.MessageID, Already: len(all) > 0}
	for _, one := range all {
		w.Scopes = append(w.Scopes, string(one.Scope))
		w.At = one.Effective
		w.Already = w.Already && one.Already
		if one.seq != 0 {
			w.Undo = one.seq
		}
	}
	return w
}

// answerUnknown tells somebody of whom nothing is stored that this is so. Only
// who proves to be the one address that wrote is told, and nothing else is.
func (t *tx) answerUnknown(ctx context.Context, m Inbound, who consent.Key, one *standing, caseNo int64) error {
	if !m.Request.Authenticated || m.Request.Link != nil || m.Request.From == "" || m.Request.Button {
		return nil
	}
	if one.state.Erased != 0 && caseNo == 0 {
		return nil // they were promised that nothing would ever be written again
	}
	return t.answer(ctx, who.String(), Correspondence{Kind: WriteUnknown, Case: caseNo, Inbound: m.id, Key: who.String(),
		Words: Words{To: m.Request.From, Language: m.Request.Language, InReplyTo: m.MessageID}})
}

// answer writes a letter, unless its recipient had one within the day. A notice
// waits for its day instead: what anybody could have written in somebody's name
// they must hear of.
func (t *tx) answer(ctx context.Context, holder string, c Correspondence) error {
	last, err := t.lastAnswer(ctx, c.Key, automatic)
	if err != nil {
		return err
	}
	if next := last.Add(AnswerEvery); !last.IsZero() && t.now.Before(next) {
		if c.Kind != WriteNotice {
			return nil
		}
		c.Due = next
	}
	if _, err := t.write(ctx, holder, c); err != nil {
		return err
	}
	return t.allowUndo(ctx, c.Undo, max(c.Due.Sub(t.now), 0)+UndoFor)
}

// lastAnswer is when we last wrote to an address by ourselves, or will.
func (t *tx) lastAnswer(ctx context.Context, key, kinds string) (time.Time, error) {
	var last sql.NullInt64
	err := t.QueryRowContext(ctx, `SELECT max(COALESCE(j.due, c.created)) FROM correspondence c
		LEFT JOIN job j ON j.kind = 'write' AND j.subject = c.id AND j.state = 'ready'
		WHERE c.address = $1 AND c.created > $2 AND c.state <> 'dropped' AND c.kind IN `+kinds,
		key, t.now.Add(-30*AnswerEvery).UnixMicro()).Scan(&last)
	if err != nil {
		return time.Time{}, fmt.Errorf("looking for the last answer: %w", err)
	}
	return fromMicro(last), nil
}

// answerCase writes the one letter that tells what became of a request: the
// question whether it was really theirs, or that it was understood.
func (t *tx) answerCase(ctx context.Context, m Inbound, who consent.Key, known bool, caseNo int64, stopped []Stopped) error {
	if m.Request.NoReply != "" || !known {
		return nil
	}
	held, err := t.lockKeys(ctx, []consent.Key{who})
	if err != nil {
		return err
	}
	one := held[who]
	c := Correspondence{Kind: WriteReceipt, Case: caseNo, Inbound: m.id, Key: who.String(), Words: t.stoppedWords(m, stopped)}
	asked, err := t.askOnce(ctx, holder(who, one), c)
	switch {
	case err != nil || asked:
		return err
	case one.subject != "":
		return t.answer(ctx, holder(who, one), c)
	case rights(m.Request.Kind):
		return t.answerUnknown(ctx, m, who, one, caseNo)
	}
	return nil
}

// rights tells of requests that the law wants answered whoever asks.
func rights(k consent.Kind) bool {
	switch k {
	case consent.KindErasure, consent.KindAccess, consent.KindRectification, consent.KindObjection:
		return true
	}
	return false
}

// askOnce makes the question that the case has just asked the answer to this
// mail. A case that waits for its click asks once more, a day later, when its
// person writes again. asked tells that no other letter is owed.
func (t *tx) askOnce(ctx context.Context, holder string, c Correspondence) (asked bool, err error) {
	var state string
	var id, times int64
	err = t.QueryRowContext(ctx, `SELECT p.state, (SELECT count(*) FROM correspondence q WHERE q.caseno = p.id AND q.kind = 'confirm' AND q.state <> 'dropped'),
		COALESCE((SELECT max(q.id) FROM correspondence q WHERE q.caseno = p.id AND q.kind = 'confirm' AND q.inbound IS NULL AND q.state = 'waiting'), 0)
		FROM privacy_case p WHERE p.id = $1`, c.Case).Scan(&state, &times, &id)
	if err != nil {
		return false, fmt.Errorf("looking at what a case asked: %w", err)
	}
	if consent.CaseState(state) != consent.CaseWaiting {
		return false, nil
	}
	c.Kind = WriteConfirm
	if id != 0 {
		return true, t.adoptLetter(ctx, id, c)
	}
	last, err := t.lastAnswer(ctx, c.Key, `('confirm', 'remind')`)
	if err != nil || times >= AsksPerCase || t.now.Before(last.Add(AnswerEvery)) {
		return true, err
	}
	if _, err = t.write(ctx, holder, c); err != nil {
		return true, err
	}
	return true, t.allowUndo(ctx, c.Undo, UndoFor)
}

// adoptLetter makes a letter that is already written the answer to a mail.
func (t *tx) adoptLetter(ctx context.Context, id int64, c Correspondence) error {
	var holder, sealed string
	if err := t.QueryRowContext(ctx, `SELECT holder, sealed FROM correspondence WHERE id = $1`, id).Scan(&holder, &sealed); err != nil {
		return fmt.Errorf("reading a letter: %w", err)
	}
	w := Words{}
	if _, err := t.s.unseal(ctx, holder, sealed, &w); err != nil {
		return err
	}
	w.InReplyTo, w.Scopes, w.At, w.Already, w.Undo = c.InReplyTo, c.Scopes, c.At, c.Already, c.Undo
	sealed, err := t.seal(ctx, holder, w)
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, `UPDATE correspondence SET inbound = $2, sealed = $3 WHERE id = $1`, id, c.Inbound, sealed); err != nil {
		return fmt.Errorf("making a letter an answer: %w", err)
	}
	return t.allowUndo(ctx, c.Undo, UndoFor)
}

// LetterTurn tells when a letter may go out: at once, or when the hour's letters
// are fewer. Nothing is lost, it only waits.
func (s *Store) LetterTurn(ctx context.Context, c Correspondence) (at time.Time, err error) {
	if !strings.Contains(hourly, "'"+c.Kind+"'") {
		return time.Time{}, nil // staff wrote it
	}
	var ended int64
	err = s.read.QueryRowContext(ctx, `SELECT ended FROM correspondence WHERE state = 'sent' AND ended > $1 AND kind IN `+hourly+`
		ORDER BY ended DESC LIMIT 1 OFFSET $2`, s.now().Add(-time.Hour).UnixMicro(), LettersAnHour-1).Scan(&ended)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return at, fmt.Errorf("counting the letters of the hour: %w", err)
	}
	return time.UnixMicro(ended).UTC().Add(time.Hour), nil
}
