/* Friends, their messages and their lossy packets. */
#include <string.h>

#include "toxnet_int.h"
#include "tt_err.h"

static bool is_self(const struct toxnet *tn, const uint8_t key[TT_KEY_LEN])
{
	uint8_t self[TT_KEY_LEN];
	tox_self_get_public_key(tn->tox, self);
	return memcmp(self, key, TT_KEY_LEN) == 0;
}

static int add_error(Tox_Err_Friend_Add err)
{
	switch (err) {
	case TOX_ERR_FRIEND_ADD_OK:
	case TOX_ERR_FRIEND_ADD_SET_NEW_NOSPAM: /* known, and asked under its new nospam */
		return TT_OK;
	case TOX_ERR_FRIEND_ADD_ALREADY_SENT:
		return TT_EEXIST;
	case TOX_ERR_FRIEND_ADD_MALLOC:
		return TT_ENOMEM;
	default:
		return TT_EINVAL;
	}
}

/* What toxcore said of a new friend: on success it is saved and looked for. */
static int added(struct toxnet *tn, uint32_t number, Tox_Err_Friend_Add err, uint32_t *out)
{
	int rc = add_error(err);

	if (rc != TT_OK)
		return rc;
	toxnet_save_soon(tn);
	toxnet_haste_start(tn);
	*out = number;
	return TT_OK;
}

int toxnet_friend_accept(struct toxnet *tn, const uint8_t key[TT_KEY_LEN], uint32_t *friend_number)
{
	if (is_self(tn, key))
		return TT_EINVAL;
	uint32_t number = toxnet_friend_find(tn, key);
	if (number == TOXNET_NO_FRIEND) {
		Tox_Err_Friend_Add err;
		number = tox_friend_add_norequest(tn->tox, key, &err);
		return added(tn, number, err, friend_number);
	}
	*friend_number = number;
	return TT_OK;
}

int toxnet_friend_add(struct toxnet *tn, const struct tt_peer_id *id, const uint8_t *message,
	size_t len, uint32_t *friend_number)
{
	if (is_self(tn, id->key))
		return TT_EINVAL;
	if (!id->has_toxid)
		return toxnet_friend_accept(tn, id->key, friend_number);
	if (len == 0 || len > TOXNET_REQUEST_MAX)
		return TT_EINVAL;

	uint32_t number = toxnet_friend_find(tn, id->key);
	if (number != TOXNET_NO_FRIEND) {
		if (toxnet_friend_path(tn, number) != TOXNET_PATH_NONE) {
			*friend_number = number;
			return TT_OK;
		}
		/* toxcore repeats the old message and knows no way to change it. */
		int rc = toxnet_friend_remove(tn, number);
		if (rc != TT_OK)
			return rc;
	}
	Tox_Err_Friend_Add err;
	number = tox_friend_add(tn->tox, id->toxid, message, len, &err);
	return added(tn, number, err, friend_number);
}

int toxnet_friend_remove(struct toxnet *tn, uint32_t friend_number)
{
	if (!tox_friend_delete(tn->tox, friend_number, NULL))
		return TT_ENOENT;
	toxnet_queue_drop_friend(&tn->queue, friend_number);
	tn->paths_changed = true;
	toxnet_save_soon(tn);
	return TT_OK;
}

/* Who is deleted as a friend may ask again: no other call of toxcore's says so. */
void toxnet_request_forget(struct toxnet *tn, const uint8_t key[TT_KEY_LEN])
{
	if (is_self(tn, key) || toxnet_friend_find(tn, key) != TOXNET_NO_FRIEND)
		return;
	uint32_t number = tox_friend_add_norequest(tn->tox, key, NULL);
	if (number != UINT32_MAX)
		tox_friend_delete(tn->tox, number, NULL);
}

uint32_t toxnet_friend_find(const struct toxnet *tn, const uint8_t key[TT_KEY_LEN])
{
	Tox_Err_Friend_By_Public_Key err;
	uint32_t number = tox_friend_by_public_key(tn->tox, key, &err);
	return err == TOX_ERR_FRIEND_BY_PUBLIC_KEY_OK ? number : TOXNET_NO_FRIEND;
}

size_t toxnet_friend_count(const struct toxnet *tn)
{
	return tox_self_get_friend_list_size(tn->tox);
}

size_t toxnet_friend_list(const struct toxnet *tn, uint32_t *numbers, size_t cap)
{
	/* toxcore writes all of them; numbers are small and dense, so ask for each instead. */
	size_t count = toxnet_friend_count(tn), n = 0;
	for (uint32_t i = 0; n < count && n < cap; i++) {
		if (tox_friend_exists(tn->tox, i))
			numbers[n++] = i;
	}
	return n;
}

int toxnet_friend_key(const struct toxnet *tn, uint32_t friend_number, uint8_t key[TT_KEY_LEN])
{
	return tox_friend_get_public_key(tn->tox, friend_number, key, NULL) ? TT_OK : TT_ENOENT;
}

enum toxnet_path toxnet_friend_path(const struct toxnet *tn, uint32_t friend_number)
{
	Tox_Err_Friend_Query err;
	Tox_Connection c = tox_friend_get_connection_status(tn->tox, friend_number, &err);
	return err == TOX_ERR_FRIEND_QUERY_OK ? toxnet_path_of(c) : TOXNET_PATH_NONE;
}

int toxnet_message_send(struct toxnet *tn, uint32_t friend_number, const uint8_t *data, size_t len,
	uint32_t *receipt)
{
	Tox_Err_Friend_Send_Message err;
	uint32_t id = tox_friend_send_message(
		tn->tox, friend_number, TOX_MESSAGE_TYPE_NORMAL, data, len, &err);
	switch (err) {
	case TOX_ERR_FRIEND_SEND_MESSAGE_OK:
		tn->stats.messages_sent++;
		*receipt = id;
		return TT_OK;
	case TOX_ERR_FRIEND_SEND_MESSAGE_SENDQ:
		return TT_EAGAIN;
	case TOX_ERR_FRIEND_SEND_MESSAGE_FRIEND_NOT_CONNECTED:
		return TT_ECLOSED;
	default:
		return TT_EINVAL;
	}
}

int toxnet_lossy_send(struct toxnet *tn, uint32_t friend_number, const uint8_t *data, size_t len)
{
	Tox_Err_Friend_Custom_Packet err;
	tox_friend_send_lossy_packet(tn->tox, friend_number, data, len, &err);
	switch (err) {
	case TOX_ERR_FRIEND_CUSTOM_PACKET_OK:
		tn->stats.lossy_sent++;
		tn->stats.lossy_bytes_sent += len;
		return TT_OK;
	case TOX_ERR_FRIEND_CUSTOM_PACKET_SENDQ:
		tn->stats.lossy_again++;
		return TT_EAGAIN;
	case TOX_ERR_FRIEND_CUSTOM_PACKET_FRIEND_NOT_CONNECTED:
		return TT_ECLOSED;
	default:
		return TT_EINVAL;
	}
}
