package inbox

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// Visit opens a mailbox beside whoever polls it, and changes nothing in it but
// that folders for finished mail are there.
type Visit struct {
	c     *connection
	where MailboxURL
}

// VisitMailbox logs in. roots may be nil for the system's.
func VisitMailbox(ctx context.Context, box Mailbox, roots *tls.Config) (*Visit, error) {
	where, err := ParseMailboxURL(box.URL)
	if err != nil {
		return nil, err
	}
	v, err := (&Poller{Mailbox: box, TLS: roots, Log: slog.New(slog.DiscardHandler)}).begin(where)
	if err != nil {
		return nil, err
	}
	c, err := v.enter(ctx)
	return &Visit{c, where}, err
}

// Close ends the visit.
func (v *Visit) Close() { v.c.close() }

// lookAgain is how long the server is left in peace while a mail is awaited.
const lookAgain = 500 * time.Millisecond

// Await waits until the mail with that Message-ID (without angle brackets) has
// come, in the folder that is read or in one where finished mail is filed, and
// gives its bytes.
func (v *Visit) Await(ctx context.Context, id string) ([]byte, error) {
	for {
		for _, folder := range []string{v.where.Folder, v.c.prefix + "Processed", v.c.prefix + "Review"} {
			if raw, err := v.c.find(folder, id); raw != nil || err != nil {
				return raw, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lookAgain):
		}
	}
}

// find reads the mail with that Message-ID; nil where there is none.
func (c *connection) find(folder, id string) ([]byte, error) {
	var uids []imap.UID
	err := c.watched(bulkTime, "looking for a mail in "+folder, func() error {
		if _, err := c.client.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
			return err
		}
		data, err := c.client.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: id}}}, nil).Wait()
		if err == nil {
			uids = data.AllUIDs()
		}
		return err
	})
	if err != nil || len(uids) == 0 {
		return nil, err
	}
	raws, err := c.fetch([]envelope{{uid: uids[0]}})
	return raws[uids[0]], err
}

// Arrival is what a mail of ours looks like at the end of its way.
type Arrival struct {
	Signed  string   // domain of a good signature that covers most; empty: there is none
	Why     string   // there is none
	Missing []string // of the fields that were asked for, those that it does not cover
	Foreign []string // Authentication-Results as they stand there, topmost first
}

// ReadArrival looks for a signature of domain's organisation that covers these
// fields (RFC 6376 §5.4; RFC 8058 §4 asks for the fields of one-click).
func ReadArrival(raw []byte, domain string, fields []string, keys *Keys) Arrival {
	var c claim
	var fit bool
	if c.fields, fit = rawFields(raw); !fit {
		return Arrival{Why: "its header cannot be read in one way only", Missing: fields}
	}
	c.domain = domain
	a := Arrival{Missing: fields, Foreign: c.values("authentication-results")}
	good, why := c.signatures(raw, keys)
	a.Why = why
	for _, v := range good {
		missing := uncovered(v.HeaderKeys, fields)
		if a.Signed == "" || len(missing) < len(a.Missing) {
			a.Signed, a.Why, a.Missing = strings.ToLower(v.Domain), "", missing
		}
	}
	return a
}

func uncovered(signed, fields []string) (missing []string) {
	for _, name := range fields {
		if !slices.ContainsFunc(signed, func(s string) bool { return strings.EqualFold(s, name) }) {
			missing = append(missing, name)
		}
	}
	return missing
}

// String tells the outcome in a few words.
func (a Arrival) String() string {
	switch {
	case a.Signed == "":
		return a.Why
	case len(a.Missing) > 0:
		return fmt.Sprintf("signed by %s, but the signature does not cover %s", a.Signed, strings.Join(a.Missing, ", "))
	}
	return "signed by " + a.Signed
}
