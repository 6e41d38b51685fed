//! The tags this crate reads or writes by name, and where a message notes those it is asked for.

macro_rules! tags {
    ($($name:ident = $tag:literal)+) => {
        $(#[doc = concat!("Tag ", $tag, ".")] pub const $name: u32 = $tag;)+
    };
}

tags! {
    ACCOUNT = 1
    AVG_PX = 6
    BEGIN_SEQ_NO = 7
    BEGIN_STRING = 8
    BODY_LENGTH = 9
    CHECK_SUM = 10
    CL_ORD_ID = 11
    CUM_QTY = 14
    END_SEQ_NO = 16
    EXEC_ID = 17
    EXEC_INST = 18
    EXEC_REF_ID = 19
    EXEC_TRANS_TYPE = 20
    HANDL_INST = 21
    LAST_PX = 31
    LAST_QTY = 32
    MSG_SEQ_NUM = 34
    MSG_TYPE = 35
    NEW_SEQ_NO = 36
    ORDER_ID = 37
    ORDER_QTY = 38
    ORD_STATUS = 39
    ORD_TYPE = 40
    ORIG_CL_ORD_ID = 41
    POSS_DUP_FLAG = 43
    PRICE = 44
    REF_SEQ_NUM = 45
    SENDER_COMP_ID = 49
    SENDER_SUB_ID = 50
    SENDING_TIME = 52
    SIDE = 54
    SYMBOL = 55
    TARGET_COMP_ID = 56
    TARGET_SUB_ID = 57
    TEXT = 58
    TIME_IN_FORCE = 59
    TRANSACT_TIME = 60
    RAW_DATA_LENGTH = 95
    RAW_DATA = 96
    POSS_RESEND = 97
    ENCRYPT_METHOD = 98
    STOP_PX = 99
    EX_DESTINATION = 100
    CXL_REJ_REASON = 102
    ORD_REJ_REASON = 103
    HEART_BT_INT = 108
    MIN_QTY = 110
    MAX_FLOOR = 111
    TEST_REQ_ID = 112
    ON_BEHALF_OF_COMP_ID = 115
    ON_BEHALF_OF_SUB_ID = 116
    ORIG_SENDING_TIME = 122
    GAP_FILL_FLAG = 123
    EXPIRE_TIME = 126
    DELIVER_TO_COMP_ID = 128
    DELIVER_TO_SUB_ID = 129
    RESET_SEQ_NUM_FLAG = 141
    ON_BEHALF_OF_LOCATION_ID = 144
    DELIVER_TO_LOCATION_ID = 145
    EXEC_TYPE = 150
    LEAVES_QTY = 151
    PEG_OFFSET_VALUE = 211
    REF_TAG_ID = 371
    REF_MSG_TYPE = 372
    SESSION_REJECT_REASON = 373
    BUSINESS_REJECT_REF_ID = 379
    BUSINESS_REJECT_REASON = 380
    DISCRETION_INST = 388
    DISCRETION_OFFSET_VALUE = 389
    CXL_REJ_RESPONSE_TO = 434
    PARTY_ID_SOURCE = 447
    PARTY_ID = 448
    PARTY_ROLE = 452
    NO_PARTY_IDS = 453
    ORDER_CAPACITY = 528
    MASS_CANCEL_REQUEST_TYPE = 530
    MASS_CANCEL_RESPONSE = 531
    MASS_CANCEL_REJECT_REASON = 532
    TOTAL_AFFECTED_ORDERS = 533
    USERNAME = 553
    PASSWORD = 554
    MASS_STATUS_REQ_ID = 584
    MASS_STATUS_REQ_TYPE = 585
    NEXT_EXPECTED_MSG_SEQ_NUM = 789
    ORD_STATUS_REQ_ID = 790
    COPY_MSG_INDICATOR = 797
    PEG_MOVE_TYPE = 835
    PEG_OFFSET_TYPE = 836
    PEG_LIMIT_TYPE = 837
    PEG_SCOPE = 840
    DISCRETION_MOVE_TYPE = 841
    DISCRETION_OFFSET_TYPE = 842
    DISCRETION_LIMIT_TYPE = 843
    DISCRETION_SCOPE = 846
    LAST_RPT_REQUESTED = 912
    TOT_NUM_REPORTS = 911
    LAST_LIQUIDITY_IND = 851
    PEG_PRICE_TYPE = 1094
    APPL_VER_ID = 1128
    DEFAULT_APPL_VER_ID = 1137
    MASS_ACTION_REPORT_ID = 1369
    NO_REQUESTING_PARTY_IDS = 1657
    REQUESTING_PARTY_ID = 1658
    PARTY_ACTION_REQUEST_ID = 2328
    PARTY_ACTION_TYPE = 2329
    PARTY_ACTION_REPORT_ID = 2331
    PARTY_ACTION_RESPONSE = 2332
    PARTY_ACTION_REJECT_REASON = 2333
    NO_ORDER_ATTRIBUTES = 2593
    ORDER_ATTRIBUTE_TYPE = 2594
    ORDER_ATTRIBUTE_VALUE = 2595
}

/// Tags from here on have a place only by name.
const LOW: u32 = 128;

/// Places that the fields of a message are found by.
pub const PLACES: usize = LOW as usize + 12;

/// Where a field that is often looked for is noted; `None` for one that is searched for.
#[inline(always)]
pub const fn place(tag: u32) -> Option<usize> {
    Some(match tag {
        0..LOW => tag as usize,
        NO_PARTY_IDS => 128,
        ORDER_CAPACITY => 129,
        MASS_CANCEL_REQUEST_TYPE => 130,
        MASS_STATUS_REQ_ID => 131,
        MASS_STATUS_REQ_TYPE => 132,
        ORD_STATUS_REQ_ID => 133,
        EXEC_TYPE => 134,
        LEAVES_QTY => 135,
        NO_ORDER_ATTRIBUTES => 136,
        PEG_OFFSET_VALUE => 137,
        DISCRETION_INST => 138,
        DISCRETION_OFFSET_VALUE => 139,
        _ => return None,
    })
}

/// For each place, which of a message's fields stands there: 0 none, for that is BeginString.
#[derive(Clone, Copy, Debug)]
pub struct Places([u8; PLACES]);

impl Default for Places {
    #[inline]
    fn default() -> Self {
        Self([0; PLACES])
    }
}

impl Places {
    /// Notes the first field with a tag.
    #[inline]
    pub fn note(&mut self, tag: u32, field: usize) {
        if let Some(at) = place(tag)
            && let Some(noted @ 0) = self.0.get_mut(at)
        {
            *noted = u8::try_from(field).unwrap_or(0);
        }
    }

    /// The field noted at a place.
    #[inline(always)]
    pub fn get(&self, place: usize) -> usize {
        self.0.get(place).copied().map_or(0, usize::from)
    }
}
