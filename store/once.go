package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// AnswersFor is how long the answer to a request is given again to whoever
// sends the same request with the same key.
const AnswersFor = 48 * time.Hour

// ErrOtherRequest means that a key of idempotency was used for another request
// before.
var ErrOtherRequest = errors.New("this key was used for another request")

// The words that stand before the error of a request.
const (
	Doing     = "doing what was asked for"
	DoingOnce = "doing once what was asked for"
)

// Once names one request of one program.
type Once struct {
	APIKey  int64
	Name    string // the key that the program chose
	Request string // all that it asked for
}

// joined is the transaction that a context carries.
type joined struct{}

// in gives the transaction of this store that a context belongs to, or nil.
func (s *Store) in(ctx context.Context) *tx {
	if t, is := ctx.Value(joined{}).(*tx); is && t.s == s {
		return t
	}
	return nil
}

// asker is who reads: the transaction that the context belongs to, which sees
// what it has written, or anybody.
func (s *Store) asker(ctx context.Context) interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
} {
	if t := s.in(ctx); t != nil {
		return t
	}
	return s.read
}

// Together runs business steps as one transaction: whatever they do is there
// with do's return, or nothing of it. They must be few and short, must wait for
// nobody, and may be run again from the beginning.
func (s *Store) Together(ctx context.Context, what string, do func(context.Context) error) error {
	err := s.inTx(ctx, what, func(t *tx) error { return do(context.WithValue(ctx, joined{}, t)) })
	if err == nil {
		s.pokeAll()
	}
	return err
}

// AnswerOnce does what a request asks for, unless it was done before: then it
// gives the answer of that time. What was done and its answer are committed
// together, so that a request that was cut off can be sent again, whatever
// became of the process. A step that failed has done nothing and is not kept.
func (s *Store) AnswerOnce(ctx context.Context, o Once, do func(context.Context) (answer []byte, err error)) (answer []byte, before bool, err error) {
	if o.Name == "" {
		err = s.Together(ctx, Doing, func(ctx context.Context) error {
			answer, err = do(ctx)
			return err
		})
		return answer, false, err
	}
	err = s.Together(ctx, DoingOnce, func(ctx context.Context) error {
		t := s.in(ctx)
		if before, err = t.beginAnswer(ctx, o); err != nil {
			return err
		}
		if before {
			answer, err = t.answerOf(ctx, o)
			return err
		}
		if answer, err = do(ctx); err != nil {
			return err
		}
		return t.keepAnswer(ctx, o, answer)
	})
	return answer, before, err
}

// AnsweredOnce gives the answer to a request that was answered before.
func (s *Store) AnsweredOnce(ctx context.Context, o Once) (answer []byte, before bool, err error) {
	err = s.inRead(ctx, func(t *tx) error {
		answer, err = t.answerOf(ctx, o)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return answer, err == nil, err
}

// beginAnswer takes the key of a request. Another process that has it is waited
// for here; what it answered is then read by a later statement.
func (t *tx) beginAnswer(ctx context.Context, o Once) (before bool, err error) {
	n, err := t.exec(ctx, `INSERT INTO api_answer (api_key, name, print, sealed, at) VALUES ($1, $2, $3, '', $4) ON CONFLICT DO NOTHING`,
		o.APIKey, t.s.digest("idempotency", o.Name), t.s.digest("request", o.Request), t.now.UnixMicro())
	if err != nil {
		return false, fmt.Errorf("taking the key of a request: %w", err)
	}
	return n == 0, nil
}

func (t *tx) answerOf(ctx context.Context, o Once) ([]byte, error) {
	var print, sealed string
	err := t.QueryRowContext(ctx, `SELECT print, sealed FROM api_answer WHERE api_key = $1 AND name = $2`,
		o.APIKey, t.s.digest("idempotency", o.Name)).Scan(&print, &sealed)
	if err != nil {
		return nil, fmt.Errorf("looking for an earlier answer: %w", err)
	}
	if print != t.s.digest("request", o.Request) {
		return nil, ErrOtherRequest
	}
	text, err := openWith(t.s.derived("api answers"), sealed)
	return []byte(text), err
}

func (t *tx) keepAnswer(ctx context.Context, o Once, answer []byte) error {
	sealed, err := sealWith(t.s.derived("api answers"), string(answer))
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE api_answer SET sealed = $3 WHERE api_key = $1 AND name = $2`, o.APIKey, t.s.digest("idempotency", o.Name), sealed)
	if err != nil {
		return fmt.Errorf("keeping an answer: %w", err)
	}
	return nil
}

// derived is a key for one use, made of the pepper.
func (s *Store) derived(use string) []byte {
	mac := hmac.New(sha256.New, s.keys.Pepper)
	mac.Write([]byte("derived\x00" + use))
	return mac.Sum(nil)
}

// digest says nothing of a text to whoever has not the pepper.
func (s *Store) digest(use, text string) string {
	mac := hmac.New(sha256.New, s.derived(use))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// forgetAnswers drops the answers that nobody asks for any more, and the marks of
// events that could mean nothing any more.
func (s *Store) forgetAnswers(ctx context.Context) error {
	return s.inTx(ctx, "forgetting old answers", func(t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM api_answer WHERE at < $1`, t.now.Add(-AnswersFor).UnixMicro()); err != nil {
			return err
		}
		_, err := t.exec(ctx, `DELETE FROM provider_event WHERE at < $1`, t.now.Add(-2*BounceAge).UnixMicro())
		return err
	})
}

// SealText makes a text that only this installation can read, for one use.
func (s *Store) SealText(use, text string) (string, error) {
	sealed, err := sealWith(s.derived(use), text)
	return strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(sealed), err
}

// OpenText reads what SealText wrote for the same use.
func (s *Store) OpenText(use, sealed string) (string, error) {
	sealed = strings.NewReplacer("-", "+", "_", "/").Replace(sealed)
	return openWith(s.derived(use), sealed+strings.Repeat("=", (4-len(sealed)%4)%4))
}
