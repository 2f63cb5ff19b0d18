package inbox

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"
)

// retainEvery is how often the folders are looked at for mails whose time is
// over.
const retainEvery = 24 * time.Hour

// removeOld deletes the mails in our own folders whose time is over. Only what
// heed itself has filed there goes: mail that somebody else put into a folder
// of that name is theirs. Without UID EXPUNGE (RFC 4315 §2.1) nothing goes,
// since EXPUNGE would take what others have marked.
func (v *visits) removeOld(ctx context.Context, c *connection) error {
	if now := v.now(); now.Sub(v.retained) < retainEvery {
		return nil
	}
	before, err := v.Store.MailsBefore(ctx)
	if err != nil {
		return err
	}
	if v.retained = v.now(); before.IsZero() || !c.caps.Has(imap.CapUIDPlus) && !c.caps.Has(imap.CapIMAP4rev2) {
		return nil
	}
	for _, folder := range []string{"Processed", "Review"} {
		if err := v.removeOldFrom(ctx, c, folder, before); err != nil {
			v.retained = time.Time{} // not done; the next visit begins again
			return err
		}
	}
	return c.watched(commandTime, "opening "+c.folder, c.choose)
}

func (v *visits) removeOldFrom(ctx context.Context, c *connection, folder string, before time.Time) error {
	err := c.watched(commandTime, "opening the folder "+folder, func() error {
		_, err := c.client.Select(c.prefix+folder, nil).Wait()
		return err
	})
	if refusal := (*imap.Error)(nil); errors.As(err, &refusal) {
		return nil // no mail was ever filed there
	}
	if err != nil {
		return err
	}
	uids, err := c.olderThan(before)
	removed := 0
	for err == nil && len(uids) > 0 {
		n := min(len(uids), portion)
		var gone int
		gone, err = v.removeFiled(ctx, c, folder, before, uids[:n])
		removed += gone
		uids = uids[n:]
		if err == nil {
			err = v.lease(ctx)
		}
	}
	if removed > 0 {
		v.log().Info("old_mails_removed", "role", v.Mailbox.Role, "folder", folder, "mails", removed)
	}
	return err
}

// olderThan lists the mails of the open folder that came before the day after
// a moment: SEARCH knows days only, in the server's zone.
func (c *connection) olderThan(before time.Time) (uids []imap.UID, err error) {
	err = c.watched(commandTime, "looking for old mail", func() error {
		data, err := c.client.UIDSearch(&imap.SearchCriteria{Before: before.AddDate(0, 0, 2)}, nil).Wait()
		if err == nil {
			uids = data.AllUIDs()
		}
		return err
	})
	return uids, err
}

// removeFiled deletes those of some mails that are old and that heed filed into
// this folder. Moving a mail keeps its INTERNALDATE (RFC 6851 §3.3), by which it
// is known again.
func (v *visits) removeFiled(ctx context.Context, c *connection, folder string, before time.Time, uids []imap.UID) (int, error) {
	found, err := c.envelopes(uids)
	if err != nil {
		return 0, err
	}
	var dates []time.Time
	for _, e := range found {
		if e.arrived.Before(before) {
			dates = append(dates, e.arrived.UTC())
		}
	}
	filed, err := v.Store.FiledAt(ctx, v.name, folder, dates)
	if err != nil {
		return 0, err
	}
	var old []imap.UID
	for _, e := range found {
		if filed[e.arrived.UnixMicro()] {
			old = append(old, e.uid)
		}
	}
	if len(old) == 0 {
		return 0, nil
	}
	set := imap.UIDSetNum(old...)
	if err := c.flag(set, imap.StoreFlagsAdd); err != nil {
		return 0, err
	}
	return len(old), c.watched(commandTime, "removing old mail", func() error { return c.client.UIDExpunge(set).Close() })
}
