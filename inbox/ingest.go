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
	v.filing = filings{} // of an earlier visit: they are found again
	q := &queue{asked: v.now()}
	q.add(v.due(uids))
	for !q.empty() {
		if err := v.step(ctx, c, q); err != nil {
			return err
		}
		if err := v.between(ctx, c, q); err != nil {
			return err
		}
	}
	if err := v.file(ctx, c); err != nil {
		return err
	}
	v.portion, v.alone = portion, false
	v.waits(0, time.Time{})
	return v.looked(ctx, uids, q.top)
}

// step sorts a portion of the queue, and does what is urgent or else a few of
// the others.
func (v *visits) step(ctx context.Context, c *connection, q *queue) error {
	if len(q.sorted[urgent]) == 0 && len(q.unsorted) > 0 {
		if err := v.sort(c, q); err != nil {
			return err
		}
	}
	todo := q.next()
	for len(todo) > 0 {
		n := v.together(todo)
		if err := v.takeSome(ctx, c, todo[:n]); err != nil {
			return err
		}
		todo = todo[n:]
	}
	return nil
}

// together is how many of the mails are fetched at once: as many as small ones
// fit into the memory of a large one, or a single one after a visit that broke.
func (v *visits) together(todo []envelope) (n int) {
	if v.alone {
		return 1
	}
	for size := int64(0); n < len(todo); n++ {
		if size += todo[n].size; n > 0 && size > maxRaw {
			break
		}
	}
	return n
}

// takeSome fetches mails and brings each to its end. If that breaks the
// connection, the next visit fetches them one by one, so that the mail that
// does it is found and waits while the others go on.
func (v *visits) takeSome(ctx context.Context, c *connection, todo []envelope) error {
	var unread []envelope
	for _, e := range todo {
		if f, known := v.filed[e.uid]; known {
			v.filing.add(e, f)
			continue
		}
		unread = append(unread, e)
	}
	if len(unread) == 0 {
		return nil
	}
	raws, err := c.fetch(unread)
	if err != nil {
		if v.alone = true; len(unread) == 1 {
			v.trouble(unread[0].uid)
		}
		return err
	}
	for _, e := range unread {
		if err := v.take(ctx, e, raws[e.uid]); err != nil {
			return err
		}
	}
	return nil
}

// looked remembers, where mail stays, how far it was read: after a restart the
// same letters are not read again.
func (v *visits) looked(ctx context.Context, uids []imap.UID, top imap.UID) error {
	for _, uid := range uids {
		top = max(top, uid)
	}
	if v.Mailbox.Role != RoleReply || len(v.troubled) > 0 || top <= v.readUpTo {
		return nil
	}
	v.readUpTo = top
	return v.Store.SetMailboxRead(ctx, v.name, v.validity, uint32(top))
}

// forget drops what is remembered of mails that are gone.
func (v *visits) forget(uids []imap.UID) {
	here := make(map[imap.UID]bool, len(uids))
	for _, uid := range uids {
		here[uid] = true
	}
	forget(v.left, here)
	forget(v.troubled, here)
	forget(v.filed, here)
}

func forget[T any](about map[imap.UID]T, here map[imap.UID]bool) {
	for uid := range about {
		if !here[uid] {
			delete(about, uid)
		}
	}
}

func (v *visits) due(uids []imap.UID) []imap.UID {
	var todo []imap.UID
	for _, uid := range uids {
		if uid > v.readUpTo && !v.left[uid] && !v.now().Before(v.troubled[uid].again) {
			todo = append(todo, uid)
		}
	}
	return todo
}

// take gives one mail its effect. An error means that the store is gone; what
// is wrong with the mail itself is remembered, and the next mail goes on.
func (v *visits) take(ctx context.Context, e envelope, raw []byte) error {
	if raw == nil {
		return nil // somebody else moved it
	}
	request := understand(raw, e.size > maxRaw, v.Mailbox.Role, v.ring(), v.Ours)
	v.notePath(raw, &request)
	if v.Mailbox.Role == RoleReply && !isClear(request) {
		v.left[e.uid] = true
		return nil
	}
	once := v.prove(raw, e, &request)
	filing, err := v.record(ctx, e, raw, request, once)
	if err != nil {
		return v.fail(ctx, e, err)
	}
	delete(v.troubled, e.uid)
	v.filed[e.uid] = filed{filing.Folder, filing.Stopped}
	v.filing.add(e, v.filed[e.uid])
	return nil
}

// isClear tells what may be acted on in a mailbox where people read and answer.
func isClear(r consent.Request) bool {
	switch r.Kind {
	case consent.KindUnrelated, consent.KindReview, consent.KindAutoReply, consent.KindBounce:
		return false
	}
	return r.Sure >= 0.8
}

// prove looks for a proof of who wrote a request. A sealed link needs none, and
// other mail is not worth the look-up.
func (v *visits) prove(raw []byte, e envelope, r *consent.Request) (once string) {
	if r.Link != nil || !proves(r.Kind) {
		return ""
	}
	p := Prove(raw, v.arrival(e), v.Ours, v.Keys)
	r.Authenticated = p.Authenticated
	r.Evidence = append(r.Evidence, p.Evidence...)
	return p.Once
}

// proves tells which kinds of mail are a person's wish.
func proves(kind consent.Kind) bool {
	switch kind {
	case consent.KindUnsubscribe, consent.KindPreference, consent.KindObjection, consent.KindErasure, consent.KindAccess,
		consent.KindRectification, consent.KindComplaint, consent.KindGuardian:
		return true
	}
	return false
}

// arrival is when the mail came; a server that does not say is answered for.
func (v *visits) arrival(e envelope) time.Time {
	if e.arrived.IsZero() {
		return v.now()
	}
	return e.arrived
}

// record hands the mail to the store, which gives it its one outcome.
func (v *visits) record(ctx context.Context, e envelope, raw []byte, request consent.Request, once string) (store.Filing, error) {
	arrived := v.arrival(e)
	m := store.Inbound{Mailbox: v.name, Role: v.Mailbox.Role, Validity: int64(v.validity), UID: int64(e.uid), Digest: digest(raw, e.size),
		Received: arrived.UTC(), Request: request, Once: once}
	v.describe(&m, raw)
	filing, err := v.Store.RecordMail(ctx, m)
	if err != nil {
		return filing, err
	}
	v.log().Info("mail_recorded", "role", v.Mailbox.Role, "uid", uint32(e.uid), "kind", request.Kind,
		"outcome", filing.Outcome, "folder", filing.Folder, "duplicate", filing.Duplicate, "authenticated", request.Authenticated)
	if filing.Duplicate {
		return filing, nil
	}
	if filing.Paused != 0 {
		v.log().Warn("campaign_paused", "campaign", filing.Paused)
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
	times := v.trouble(e.uid)
	v.log().Error("mail_failed", "role", v.Mailbox.Role, "uid", uint32(e.uid), "times", times, "cause", discreet(cause))
	return nil
}

func (v *visits) trouble(uid imap.UID) int {
	t := v.troubled[uid]
	t.times++
	t.again = v.now().Add(min(10*time.Minute, time.Second<<min(t.times, 10)))
	v.troubled[uid] = t
	return t.times
}
