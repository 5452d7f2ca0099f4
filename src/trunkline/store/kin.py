"""The kin of a device, in SQL: the PF of a VF, any other device itself."""

from __future__ import annotations

from sqlalchemy import and_, case, select

from trunkline.store.tables import devices, pools

IS_VF_OF_A_PF = and_(devices.c.pf_id.is_not(None), devices.c.vf_index.is_not(None))
KIN_ID = case((IS_VF_OF_A_PF, devices.c.pf_id), else_=devices.c.id)
IS_OUT_OF_SERVICE = KIN_ID.in_(select(pools.c.kin_id).where(pools.c.problem != ""))
