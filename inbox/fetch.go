package inbox

import (
	"io"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// all gives the UIDs of everything in the mailbox. It never asks for a range
// up to "*", which always names the last mail too (RFC 9051 §6.4.9).
func (c *connection) all() ([]imap.UID, error) {
	var uids []imap.UID
	err := c.watched(bulkTime, "looking for mail", func() error {
		if err := c.client.Noop().Wait(); err != nil {
			return err
		}
		data, err := c.client.UIDSearch(&imap.SearchCriteria{}, nil).Wait()
		if err == nil {
			uids = data.AllUIDs()
		}
		return err
	})
	return uids, err
}

// above gives the UIDs of what came after the mail with that UID. The range
// ends with the highest number there is.
func (c *connection) above(uid imap.UID) (came []imap.UID, err error) {
	if uid == maxUID {
		return nil, nil
	}
	set := imap.UIDSet{}
	set.AddRange(uid+1, maxUID)
	err = c.watched(bulkTime, "looking for new mail", func() error {
		data, err := c.client.UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{set}}, nil).Wait()
		if err != nil {
			return err
		}
		for _, found := range data.AllUIDs() {
			if found > uid {
				came = append(came, found)
			}
		}
		return nil
	})
	return came, err
}

const maxUID = imap.UID(1<<32 - 1)

// envelope is what is asked of a mail before its bytes. ENVELOPE and
// BODYSTRUCTURE never are: a malformed one ends the connection, again and
// again.
type envelope struct {
	uid     imap.UID
	size    int64
	arrived time.Time // INTERNALDATE
	deleted bool
	header  []byte // the fields that tell how urgent it is
}

// maxFields is as much of those fields as is kept of one mail.
const maxFields = 16 << 10

func (c *connection) envelopes(uids []imap.UID) (all []envelope, err error) {
	section := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: urgencyFields(), Peek: true}
	err = c.watched(bulkTime, "reading headers", func() error {
		command := c.client.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: true, Flags: true,
			BodySection: []*imap.FetchItemBodySection{section}})
		for m := command.Next(); m != nil; m = command.Next() {
			e, err := readEnvelope(m)
			if err != nil {
				return err
			}
			if e.uid != 0 {
				all = append(all, e)
			}
		}
		return command.Close()
	})
	return all, err
}

func readEnvelope(m *imapclient.FetchMessageData) (e envelope, err error) {
	for item := m.Next(); item != nil; item = m.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			e.uid = item.UID
		case imapclient.FetchItemDataRFC822Size:
			e.size = item.Size
		case imapclient.FetchItemDataInternalDate:
			e.arrived = item.Time
		case imapclient.FetchItemDataFlags:
			e.deleted = slices.Contains(item.Flags, imap.FlagDeleted)
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				continue
			}
			if e.header, err = io.ReadAll(io.LimitReader(item.Literal, maxFields)); err != nil {
				return e, err
			}
		}
	}
	return e, nil
}

// fetch reads mails without marking them as read, or the beginning of a large
// one. Mails that are gone are left out.
func (c *connection) fetch(mails []envelope) (raws map[imap.UID][]byte, err error) {
	section := &imap.FetchItemBodySection{Peek: true}
	set := imap.UIDSet{}
	for _, e := range mails {
		set.AddNum(e.uid)
		if e.size > maxRaw { // then it is the only one
			section.Partial = &imap.SectionPartial{Size: firstPart}
		}
	}
	raws = make(map[imap.UID][]byte, len(mails))
	err = c.watched(bulkTime, "fetching mails", func() error {
		command := c.client.Fetch(set, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
		for m := command.Next(); m != nil; m = command.Next() {
			if err := readMail(m, raws); err != nil {
				return err
			}
		}
		return command.Close()
	})
	return raws, err
}

// readMail reads one mail of several. A server may tell of flags meanwhile: such
// an answer has no body.
func readMail(m *imapclient.FetchMessageData, raws map[imap.UID][]byte) (err error) {
	var uid imap.UID
	var raw []byte
	for item := m.Next(); item != nil; item = m.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			uid = item.UID
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				continue
			}
			if raw, err = io.ReadAll(io.LimitReader(item.Literal, maxRaw)); err != nil {
				return err
			}
		}
	}
	if raw != nil {
		raws[uid] = raw
	}
	return nil
}
