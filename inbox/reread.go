package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"
)

// reread looks, once after the database was put back from an older copy,
// through the folders for finished mail, and moves back into the mailbox what
// the database no longer knows: the requests in it would be lost. They are then
// read like new ones; MOVE keeps their date, from which their time runs.
func (v *visits) reread(ctx context.Context, c *connection) error {
	from, due, err := v.Store.Reread(ctx, v.name)
	if err != nil || !due {
		return err
	}
	back := 0
	for _, folder := range []string{"Processed", "Review"} {
		n, err := v.rereadFolder(ctx, c, c.prefix+folder, from)
		if err != nil {
			return err
		}
		back += n
	}
	v.log().Warn("mail_reread", "role", v.Mailbox.Role, "mails", back)
	if err := v.Store.WasReread(ctx, v.name); err != nil {
		return err
	}
	return c.watched(commandTime, "opening "+c.folder, c.choose)
}

func (v *visits) rereadFolder(ctx context.Context, c *connection, folder string, from time.Time) (back int, err error) {
	var uids []imap.UID
	err = c.watched(commandTime, "looking into "+folder, func() error {
		if _, err := c.client.Select(folder, nil).Wait(); err != nil {
			return err
		}
		data, err := c.client.UIDSearch(&imap.SearchCriteria{Since: from}, nil).Wait()
		if err == nil {
			uids = data.AllUIDs()
		}
		return err
	})
	if refusal := (*imap.Error)(nil); errors.As(err, &refusal) {
		return 0, nil // a folder that nobody made
	}
	for err == nil && len(uids) > 0 {
		n := min(len(uids), portion)
		var found []envelope
		if found, err = c.envelopes(uids[:n]); err != nil {
			return back, err
		}
		for _, e := range found {
			moved, err := v.takeBack(ctx, c, e)
			if err != nil {
				return back, err
			}
			if moved {
				back++
			}
		}
		uids = uids[n:]
		err = v.lease(ctx)
	}
	return back, err
}

// takeBack moves a mail that nobody knows into the mailbox.
func (v *visits) takeBack(ctx context.Context, c *connection, e envelope) (bool, error) {
	raws, err := c.fetch([]envelope{e})
	raw := raws[e.uid]
	if err != nil || raw == nil {
		return false, err
	}
	known, err := v.Store.KnowsMail(ctx, digest(raw, e.size))
	if err != nil || known {
		return false, err
	}
	set := imap.UIDSetNum(e.uid)
	if c.caps.Has(imap.CapMove) {
		return true, c.watched(commandTime, "moving a mail back", func() error {
			_, err := c.client.Move(set, c.folder).Wait()
			return err
		})
	}
	err = c.watched(commandTime, "copying a mail back", func() error {
		_, err := c.client.Copy(set, c.folder).Wait()
		return err
	})
	if err != nil {
		return false, fmt.Errorf("a mail is not read again: %w", err)
	}
	return true, c.remove(e.uid)
}
