package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"

	"heed/consent"
	"heed/store"
)

// look goes over everything that lies in the mailbox. What was recorded before
// is filed as then; the mailbox itself is the list of what is still to do, and
// flags say nothing: other programs set them.
func (v *visits) look(ctx context.Context, c *connection) error {
	uids, err := c.all()
	if err != nil {
		return err
	}
	v.forget(uids)
	todo := v.due(uids)
	for len(todo) > 0 {
		n := min(len(todo), 100)
		found, err := c.envelopes(todo[:n])
		if err != nil {
			return err
		}
		for _, e := range found {
			if err := v.take(ctx, c, e); err != nil {
				return err
			}
		}
		todo = todo[n:]
		if err := v.lease(ctx); err != nil {
			return err
		}
	}
	return nil
}

// forget drops what is remembered of mails that are gone.
func (v *visits) forget(uids []imap.UID) {
	here := make(map[imap.UID]bool, len(uids))
	for _, uid := range uids {
		here[uid] = true
	}
	for uid := range v.left {
		if !here[uid] {
			delete(v.left, uid)
		}
	}
	for uid := range v.troubled {
		if !here[uid] {
			delete(v.troubled, uid)
		}
	}
}

func (v *visits) due(uids []imap.UID) []imap.UID {
	var todo []imap.UID
	for _, uid := range uids {
		if !v.left[uid] && !v.now().Before(v.troubled[uid].again) {
			todo = append(todo, uid)
		}
	}
	return todo
}

// take brings one mail to its end. An error means that the connection or the
// store is gone; what is wrong with the mail itself is remembered, and the
// next mail goes on.
func (v *visits) take(ctx context.Context, c *connection, e envelope) error {
	raw, err := c.fetch(e)
	if err != nil {
		v.trouble(e) // a mail that breaks the connection must not break the next one first
		return err
	}
	if raw == nil {
		return nil
	}
	request := understand(raw, e.size > maxRaw, v.Mailbox.Role, v.Store.Keys().Links, v.Ours)
	if v.Mailbox.Role == RoleReply && !isClear(request) {
		v.left[e.uid] = true
		return nil
	}
	filing, err := v.record(ctx, e, raw, request)
	if err != nil {
		return v.fail(ctx, e, err)
	}
	delete(v.troubled, e.uid)
	if len(filing.Stopped) > 0 {
		if _, err := v.Store.AwaitClaims(ctx, filing.Stopped); err != nil {
			return fmt.Errorf("waiting for messages under way: %w", err)
		}
	}
	gone, err := c.move(e, filing.Folder)
	if err == nil && !gone {
		v.left[e.uid] = true
	}
	return err
}

// isClear tells what may be acted on in a mailbox where people read and answer.
func isClear(r consent.Request) bool {
	switch r.Kind {
	case consent.KindUnrelated, consent.KindReview, consent.KindAutoReply, consent.KindBounce:
		return false
	}
	return r.Sure >= 0.8
}

// record hands the mail to the store, which gives it its one outcome.
func (v *visits) record(ctx context.Context, e envelope, raw []byte, request consent.Request) (store.Filing, error) {
	arrived := e.arrived
	if arrived.IsZero() {
		arrived = v.now()
	}
	filing, err := v.Store.RecordMail(ctx, store.Inbound{Mailbox: v.name, Role: v.Mailbox.Role, Validity: int64(v.validity),
		UID: int64(e.uid), Digest: digest(raw, e.size), MessageID: Parse(raw[:headerEnd(raw)]).Header.Get("Message-Id"),
		Received: arrived.UTC(), Request: request})
	if err != nil {
		return filing, err
	}
	v.log().Info("mail_recorded", "role", v.Mailbox.Role, "uid", uint32(e.uid), "kind", request.Kind,
		"outcome", filing.Outcome, "folder", filing.Folder, "duplicate", filing.Duplicate)
	if filing.Duplicate {
		return filing, nil
	}
	if v.Read != nil {
		v.Read(v.Mailbox.Role, request.Kind)
	}
	if v.Effective != nil && len(filing.Stopped) > 0 {
		v.Effective(v.Mailbox.Role, max(0, v.now().Sub(arrived)))
	}
	return filing, nil
}

// digest names a mail by its bytes; of an oversize mail, by its beginning and
// its size.
func digest(raw []byte, size int64) string {
	h := sha256.New()
	h.Write(raw)
	if size > maxRaw {
		fmt.Fprintf(h, "\n%d", size)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fail tells a store that is away from a mail that cannot be recorded. The
// first ends the visit; the second is tried again after a growing while.
func (v *visits) fail(ctx context.Context, e envelope, cause error) error {
	if ctx.Err() != nil || v.Store.Ping(ctx) != nil {
		return fmt.Errorf("recording a mail: %w", cause)
	}
	times := v.trouble(e)
	v.log().Error("mail_failed", "role", v.Mailbox.Role, "uid", uint32(e.uid), "times", times, "cause", discreet(cause))
	return nil
}

func (v *visits) trouble(e envelope) int {
	t := v.troubled[e.uid]
	t.times++
	t.again = v.now().Add(min(10*time.Minute, time.Second<<min(t.times, 10)))
	v.troubled[e.uid] = t
	return t.times
}
